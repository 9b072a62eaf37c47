//! Programs that showed faults of the explorer.
