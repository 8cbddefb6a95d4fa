//! The ports of gateway and simulator: chosen once for a data folder, and held until the process that listens there starts.
//!
//! Without being held, a port that somebody else has would seem to be a process that is ready: something answers there.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use evercal_domain::random;

/// Free ports are searched in this range. It lies below the ports that the system gives to outgoing connections, which
/// could take the port of a process that is being restarted, and below those of the Temporal servers.
const FIRST: u16 = 10_000;
const COUNT: u16 = 7_000;
/// Ports to try before giving up.
const ATTEMPTS: usize = 50;

/// A port on loopback that nobody else can take while this value lives.
pub(super) struct HeldPort {
    number: u16,
    _listener: TcpListener,
}

impl HeldPort {
    /// Holds exactly this port.
    pub(super) fn hold(number: u16) -> io::Result<Self> {
        Ok(Self { number, _listener: TcpListener::bind((Ipv4Addr::LOCALHOST, number))? })
    }

    /// Holds the wanted port where it is free, else any free one.
    pub(super) fn choose(wanted: Option<u16>) -> io::Result<Self> {
        let mut held = wanted.map_or_else(|| Err(io::ErrorKind::AddrInUse.into()), Self::hold);
        for _ in 0..ATTEMPTS {
            if held.is_ok() {
                break;
            }
            let number = u16::from_be_bytes(random::bytes().map_err(io::Error::other)?);
            held = Self::hold(FIRST + number % COUNT);
        }
        held
    }

    /// Which port.
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_cannot_be_taken_until_it_is_let_go() {
        let held = HeldPort::choose(None).unwrap();
        let number = held.number();
        assert_eq!(HeldPort::hold(number).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        drop(held);
        assert!(HeldPort::hold(number).is_ok());
    }

    #[test]
    fn where_the_wanted_port_is_taken_another_one_is_chosen() {
        let taken = HeldPort::choose(None).unwrap();
        let other = HeldPort::choose(Some(taken.number())).unwrap();
        assert_ne!(other.number(), taken.number());
        assert!((FIRST..FIRST + COUNT).contains(&other.number()));
    }
}
