//! The dialect's laws, on small words of our own and on recorded traffic where there is some.
