//! Products, prices, subscriptions, delivery, metering and settlement.
