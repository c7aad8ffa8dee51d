//! What programs do, and when they are stopped.

#[path = "exec/corpus.rs"]
mod corpus;
#[path = "exec/limits.rs"]
mod limits;
#[path = "exec/packet.rs"]
mod packet;
#[path = "exec/random.rs"]
mod random;
#[path = "exec/reference.rs"]
mod reference;
