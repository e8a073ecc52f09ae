//! The catalogue of public data: resources, classification, grading and review.
