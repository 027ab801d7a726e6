//! The cache in a whole gateway, against simulated providers, in virtual time.

#[cfg(test)]
mod alike;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod money;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod store;
