//! Supervision: alerts, suspension, rectification, evaluations, reports, tasks and timers.
