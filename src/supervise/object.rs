//! What a denied call was about.

use crate::net::Way;
use crate::paths::Access;
use crate::policy::Who;
use std::cell::RefCell;

/// Objects that a call was allowed.
pub type Seen = RefCell<Vec<Object>>;

/// What a denied call was about.
#[derive(Debug, Clone)]
pub enum Object {
    /// A path.
    Path(PathObject),
    /// A peer.
    Peer(PeerObject),
}

impl Object {
    /// The request as bytes. `own`: a path as policies have it.
    pub fn key(&self, own: &[u8]) -> Vec<u8> {
        match self {
            Object::Path(path) => path_key(path.access, own),
            Object::Peer(peer) => format!("{:?} {}", peer.way, peer.to).into_bytes(),
        }
    }
}

/// An access to a path as bytes.
pub fn path_key(access: Access, path: &[u8]) -> Vec<u8> {
    [access.to_string().as_bytes(), b" ", path].concat()
}

/// What a denied call asked for of a peer.
#[derive(Debug, Clone)]
pub struct PeerObject {
    /// In which direction.
    pub way: Way,
    /// The endpoint, as a policy would write it.
    pub to: String,
    /// The names that its address is known by.
    pub names: Vec<String>,
    /// The same, as it is; `None`: no entry could name it.
    pub who: Option<Box<Who>>,
}

/// What a denied call asked of a path.
#[derive(Debug, Clone)]
pub struct PathObject {
    /// What it wanted.
    pub access: Access,
    /// The path as the call had it.
    pub given: Vec<u8>,
    /// Where it leads.
    pub resolved: Vec<u8>,
    /// Whether something was there when the call was judged.
    pub exists: bool,
}
