//! Who pays, and how much, however a call ends.

#[cfg(test)]
mod cuts;
#[cfg(test)]
mod lab;
