//! The kinds an application declares: schema, texts, ladder. Publishing asks them; `belfry kinds check` and
//! `belfry types` print them.
//!
//! With no kinds declared, any kind name with any object is accepted and the default ladder applies, so the first
//! alert needs no set-up. Once one kind is declared, unknown kinds are refused with the nearest name.

mod fault;
mod filters;
mod html;
mod kind;
mod ladder;
mod link;
mod pieces;
mod plural;
mod read_kind;
mod read_texts;
mod reader;
mod reload;
mod sample;
mod schema;
mod set;
mod template;
#[cfg(test)]
mod tests;
mod throttle;
mod typescript;

pub use fault::{Gravity, KindFault, nearest};
pub use kind::{Everyone, Given, Kind, Latecomers, RenderInput, Rendered, default_event, default_title};
pub use ladder::{Ladder, LadderStep, STEP_WAIT_MAX};
pub use link::{LinkError, check_link};
pub use reload::{KindsHandle, Reloaded, watch};
pub use schema::{DATA_FAULTS_MAX, Schema, object_fault};
pub use set::{Kinds, KindsOptions, NameError};
pub use template::{AlertFacts, TemplateFault, UserFacts};
pub use throttle::Throttle;
pub use typescript::typescript;
