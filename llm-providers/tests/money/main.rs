//! Who pays, and how much, however a call ends.

#[cfg(test)]
mod credits;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod limits;
