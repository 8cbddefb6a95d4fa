//! `evercal dev` as its users have it: processes, a data folder, and kills at any moment.

mod installation;
mod kill;
mod life;
