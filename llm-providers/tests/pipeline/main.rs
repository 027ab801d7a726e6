//! The pipeline against the simulated providers, in process and in virtual time.

#[cfg(test)]
mod content;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod world;
