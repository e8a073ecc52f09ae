//! Money: postings sum to zero, splits to their whole, each use is invoiced once and each invoice
//! shared once.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use shuyu_law::Law;
use shuyu_market::{
    Account, Invoice, InvoiceEvent, Posting, PostingEvent, SettlementEvent, SubscriptionEvent,
};
use shuyu_store::Recorded;

use super::{Check, Found, event, is_refusal, must};

/// The act under which each use of a product is metered.
const USE: &str = "subscription.use";

/// The books, kept here a second time.
#[derive(Default)]
pub struct Money {
    /// When each subscription was used, and up to which use it is invoiced.
    uses: HashMap<String, Vec<DateTime<Utc>>>,
    billed: HashMap<String, u64>,
    invoices: HashMap<String, Invoice>,
    paid: HashSet<String>,
    settled: HashSet<String>,
    posted: HashSet<String>,
    balances: BTreeMap<Account, i128>,
}

impl Check for Money {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        let id = entry.stream.id().to_owned();
        match (entry.stream.kind(), entry.version.is_some()) {
            ("subscription", false) if entry.act == USE && !is_refusal(entry) => {
                self.uses.entry(id).or_default().push(entry.at);
                Ok(())
            }
            ("subscription", true) => self.billed(id, entry),
            ("invoice", true) => self.invoice(id, entry),
            ("settlement", true) => self.settlement(entry),
            ("posting", true) => {
                let PostingEvent::Posted { posting } = event(entry)?;
                self.posting(posting)
            }
            _ => Ok(()),
        }
    }

    fn rest(&self) -> Found {
        let sum: i128 = self.balances.values().sum();
        must(sum == 0, || format!("the books are out by {sum} fen"))?;
        // What was invoiced and not paid is what is still owed.
        let owed: i128 = self
            .invoices
            .iter()
            .filter(|(id, _)| !self.paid.contains(*id))
            .map(|(_, invoice)| i128::from(invoice.total.0))
            .sum();
        let receivable: i128 = self
            .balances
            .iter()
            .filter(|(account, _)| matches!(account, Account::Receivable { .. }))
            .map(|(_, balance)| balance)
            .sum();
        must(owed == receivable, || format!("{owed} fen are owed, {receivable} stand in the books"))
    }
}

impl Money {
    fn billed(&mut self, id: String, entry: &Recorded) -> Found {
        let SubscriptionEvent::Billed { count, total, until, .. } = event(entry)? else {
            return Ok(());
        };
        let used = self.uses.get(&id).map(Vec::as_slice).unwrap_or_default();
        let used = used.iter().filter(|at| **at < until).count();
        must(u64::try_from(used) == Ok(total), || {
            format!("{total} uses are invoiced, and there were {used}")
        })?;
        let before = self.billed.insert(id, total).unwrap_or(0);
        must(before + count == total, || format!("{count} more than {before} is not {total}"))
    }

    fn invoice(&mut self, id: String, entry: &Recorded) -> Found {
        match event::<InvoiceEvent>(entry)? {
            InvoiceEvent::Issued { invoice } => {
                let lines: i128 = invoice.lines.iter().map(|it| i128::from(it.amount.0)).sum();
                must(lines == i128::from(invoice.total.0), || {
                    format!("its lines come to {lines} fen, its total is {}", invoice.total.0)
                })?;
                for line in &invoice.lines {
                    let product = i128::from(line.unit_price.0) * i128::from(line.count);
                    must(product == i128::from(line.amount.0) && product >= 0, || {
                        "a line is not its count at its price".to_owned()
                    })?;
                }
                let nothing = invoice.total.0 == 0;
                self.invoices.insert(id.clone(), *invoice);
                if nothing {
                    self.paid.insert(id);
                }
                Ok(())
            }
            InvoiceEvent::Paid { payment } => {
                let due = self.invoices.get(&id).map(|invoice| invoice.total);
                must(due == Some(payment.amount), || "another sum is paid than due".to_owned())?;
                must(self.paid.insert(id), || "it is paid twice".to_owned())
            }
            InvoiceEvent::Settled { .. } => {
                must(self.paid.contains(&id), || "it is shared before it is paid".to_owned())?;
                must(self.settled.insert(id), || "it is shared twice".to_owned())
            }
        }
    }

    fn settlement(&mut self, entry: &Recorded) -> Found {
        let SettlementEvent::Shared { settlement } = event(entry)? else { return Ok(()) };
        let parts: i128 = settlement.parts.iter().map(|part| i128::from(part.amount.0)).sum();
        must(parts == i128::from(settlement.proceeds.0), || {
            format!("{} fen are split into {parts}", settlement.proceeds.0)
        })?;
        let mut brought = 0;
        for invoice in &settlement.invoices {
            let found = self.invoices.get(&invoice.to_string()).ok_or("an unknown invoice")?;
            must(found.agreement == settlement.agreement, || {
                "proceeds of another agreement are shared".to_owned()
            })?;
            brought += i128::from(found.total.0);
        }
        must(brought == i128::from(settlement.proceeds.0), || {
            format!("its invoices brought {brought} fen, {} are shared", settlement.proceeds.0)
        })
    }

    fn posting(&mut self, posting: Posting) -> Found {
        let sum: i128 = posting.lines.iter().map(|line| i128::from(line.amount.0)).sum();
        must(sum == 0, || format!("a posting sums to {sum} fen"))?;
        must(self.posted.insert(posting.source.clone()), || {
            format!("{} is posted twice", posting.source)
        })?;
        for line in posting.lines {
            *self.balances.entry(line.account).or_default() += i128::from(line.amount.0);
        }
        Ok(())
    }
}
