//! Which ports a server listens on: those asked for, else those of the last run, else a free block.
//!
//! Blocks lie below the range from which the kernel takes the ports of outgoing connections; inside it, a
//! client that reconnects to a dead server may take that server's port itself.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::DevserverError;

/// The first port that a block may have.
const FIRST_BLOCK_PORT: u16 = 17_000;
/// Ports of one block: each field of [`PortPlan`].
const BLOCK_SIZE: u16 = 12;
/// Blocks between [`FIRST_BLOCK_PORT`] and 32,000.
const BLOCK_COUNT: u16 = 1_250;
/// The file in the Temporal folder that remembers the ports.
const FILE_NAME: &str = "ports.json";

/// The two ports that people and programs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Of the server, gRPC.
    pub frontend: u16,
    /// Of the UI, HTTP.
    pub ui: u16,
}

/// All ports of a server and its UI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortPlan {
    pub(crate) frontend: u16,
    pub(crate) frontend_membership: u16,
    pub(crate) frontend_http: u16,
    pub(crate) history: u16,
    pub(crate) history_membership: u16,
    pub(crate) matching: u16,
    pub(crate) matching_membership: u16,
    pub(crate) worker: u16,
    pub(crate) worker_membership: u16,
    pub(crate) ui: u16,
    pub(crate) internal_frontend: u16,
    pub(crate) internal_frontend_membership: u16,
}

impl PortPlan {
    fn from_block(first: u16) -> Self {
        Self {
            frontend: first,
            frontend_membership: first + 1,
            frontend_http: first + 2,
            history: first + 3,
            history_membership: first + 4,
            matching: first + 5,
            matching_membership: first + 6,
            worker: first + 7,
            worker_membership: first + 8,
            ui: first + 9,
            internal_frontend: first + 10,
            internal_frontend_membership: first + 11,
        }
    }

    fn with_fixed(self, fixed: Option<Ports>) -> Self {
        match fixed {
            Some(Ports { frontend, ui }) => Self { frontend, ui, ..self },
            None => self,
        }
    }

    fn all(&self) -> [u16; BLOCK_SIZE as usize] {
        [
            self.frontend,
            self.frontend_membership,
            self.frontend_http,
            self.history,
            self.history_membership,
            self.matching,
            self.matching_membership,
            self.worker,
            self.worker_membership,
            self.ui,
            self.internal_frontend,
            self.internal_frontend_membership,
        ]
    }

    fn is_free(&self) -> bool {
        // All at once, so that a plan that names a port twice is not free either.
        let listeners: io::Result<Vec<TcpListener>> = self.all().into_iter().map(listen).collect();
        listeners.is_ok()
    }

    /// Writes the plan for the next run.
    pub(crate) fn remember(&self, folder: &Path) -> Result<(), DevserverError> {
        let path = folder.join(FILE_NAME);
        let content = serde_json::to_vec(self).map_err(io::Error::from);
        content.and_then(|content| fs::write(&path, content)).map_err(DevserverError::io("write", path))
    }
}

/// The first port of a free block, for a server that needs one port.
pub(crate) fn free_port(folder: &Path) -> Option<u16> {
    candidates(folder, None).next().map(|plan| plan.frontend)
}

/// Plans to try in turn. A plan was free a moment ago; another program may still take a port before the
/// server does, so the caller goes on to the next when the start fails for that.
pub(crate) fn candidates(folder: &Path, fixed: Option<Ports>) -> impl Iterator<Item = PortPlan> {
    let remembered: Option<PortPlan> =
        fs::read(folder.join(FILE_NAME)).ok().and_then(|content| serde_json::from_slice(&content).ok());
    // Different folders begin at different blocks, so that servers started at once seldom meet.
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let start = digest.iter().take(2).fold(0_u16, |value, byte| (value << 8) | u16::from(*byte)) % BLOCK_COUNT;
    let blocks = (0..BLOCK_COUNT).map(move |offset| (start + offset) % BLOCK_COUNT);
    let plans = blocks.map(|block| PortPlan::from_block(FIRST_BLOCK_PORT + block * BLOCK_SIZE));
    let plans = plans.filter(move |plan| remembered != Some(*plan));
    remembered.into_iter().chain(plans).map(move |plan| plan.with_fixed(fixed)).filter(PortPlan::is_free)
}

/// Whether nothing listens on a port that the caller insists on.
pub(crate) fn check_fixed(fixed: Option<Ports>) -> Result<(), DevserverError> {
    for port in fixed.iter().flat_map(|ports| [ports.frontend, ports.ui]) {
        listen(port).map_err(|_| DevserverError::PortsInUse(format!("127.0.0.1:{port}")))?;
    }
    Ok(())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_taken_port_is_passed_over() {
        let folder = Path::new("a folder that does not exist");
        let first = candidates(folder, None).next().unwrap();
        let _taken = listen(first.worker).unwrap();
        assert_ne!(candidates(folder, None).next().unwrap(), first);
    }

    #[test]
    fn remembered_ports_come_first_and_asked_for_ports_win() {
        let folder = tempfile::tempdir().unwrap();
        let plan = candidates(folder.path(), None).nth(3).unwrap();
        plan.remember(folder.path()).unwrap();
        let tried: Vec<_> = candidates(folder.path(), None).take(10).collect();
        assert_eq!(tried.first(), Some(&plan));
        assert!(!tried[1..].contains(&plan), "{plan:?} is tried twice");
        let fixed = Ports { frontend: 16_001, ui: 16_002 };
        let chosen = candidates(folder.path(), Some(fixed)).next().unwrap();
        assert_eq!((chosen.frontend, chosen.ui, chosen.history), (16_001, 16_002, plan.history));
    }

    #[test]
    fn every_block_lies_below_the_ports_of_outgoing_connections() {
        let last = PortPlan::from_block(FIRST_BLOCK_PORT + (BLOCK_COUNT - 1) * BLOCK_SIZE);
        assert!(last.all().into_iter().max().unwrap() < 32_768);
    }
}
