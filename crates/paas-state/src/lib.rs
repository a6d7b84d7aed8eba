//! paas-state: introduction to come.
