use std::cell::Cell;

/// A message of the default limit with its header fits, so the common message is decoded from one read.
pub(crate) const SCRATCH_BYTES: usize = 16 * 1024 + 64;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends this thread's scratch buffer; what it holds at first is meaningless.
///
/// The buffer is taken out while lent, so a nested call (or a thread that is ending) gets one of its own.
pub(crate) fn with<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    buffer.resize(SCRATCH_BYTES, 0);
    let result = use_it(&mut buffer);
    // A thread that is ending has no place for the buffer any more; then it is simply freed.
    let _ = SCRATCH.try_with(|home| home.set(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_use_gets_its_own_buffer() {
        with(|outer| {
            outer[0] = 1;
            with(|inner| {
                assert_eq!(inner.len(), SCRATCH_BYTES);
                inner[0] = 2;
            });
            assert_eq!(outer[0], 1);
        });
    }
}
