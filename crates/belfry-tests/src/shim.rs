//! A power cut, acted out: a shim below the binary keeps a journal of what it writes and what it syncs, and from it
//! the data directory is rebuilt as a disk that kept only synced bytes would show it.
