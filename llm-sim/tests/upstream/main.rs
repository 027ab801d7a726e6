//! The simulated providers over real sockets and in process, in a small dialect of the tests' own,
//! so that what is tested here is the simulator and no codec.

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod in_process;
#[cfg(test)]
mod pidgin;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod vendors;
#[cfg(test)]
mod wire;
