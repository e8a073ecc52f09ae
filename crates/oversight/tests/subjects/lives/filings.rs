use shuyu_oversight::{Filing, FilingCommand, filing_due};

use super::{expected, table};
use crate::{AGREEMENT, CITIES, act_at, at, authority, day, hash, id, law, refused};

const NOW: &str = "2025-03-03T02:00:00Z";

fn open(subject: &str, recipient: &str) -> FilingCommand {
    FilingCommand::Open {
        subject: subject.to_owned(),
        agreement: Some(id(AGREEMENT)),
        recipient: recipient.to_owned(),
        on: day("2025-03-03"),
    }
}

fn send(text: &str) -> FilingCommand {
    FilingCommand::Send { content: hash(text) }
}

fn receive(receipt: &str) -> FilingCommand {
    FilingCommand::Receive { receipt: receipt.to_owned() }
}

/// What each city has filed first, and with whom.
fn first_filing(city: &str) -> Option<(String, String)> {
    let law = law(city);
    let filings = law.parameter("filings")?.value.as_array()?;
    let first = filings.first()?;
    let recipient = first.get("recipients")?.as_array()?.first()?.as_str()?;
    Some((first.get("subject")?.as_str()?.to_owned(), recipient.to_owned()))
}

#[test]
fn a_filing_is_opened_sent_and_received_in_every_city_that_has_filings() {
    let mut with_filings = 0;
    for city in CITIES {
        let Some((subject, recipient)) = first_filing(city) else { continue };
        with_filings += 1;
        let (law, now, who) = (law(city), at(NOW), authority());
        let act = |state: Option<&Filing>, command| act_at(&law, &who, now, state, command);
        let due = act(None, open(&subject, &recipient)).expect("opened");
        let sent = act(Some(&due), send("as decided")).expect("sent");
        let again = act(Some(&sent), send("as amended")).expect("sent again");
        let received = act(Some(&again), receive("2025-17")).expect("received");
        let states = [
            ("none", None),
            ("due", Some(&due)),
            ("sent", Some(&sent)),
            ("received", Some(&received)),
        ];
        let wanted = [
            (&who, open(&subject, &recipient)),
            (&who, send("as decided")),
            (&who, receive("2025-17")),
            (&who, receive(" ")),
        ];
        let step = "!filing-step-in-order";
        assert_eq!(
            table(&law, now, &states, &wanted),
            expected(&format!(
                "none: open=due send={step} receive={step} receive={step}
                 due: open={step} send=sent receive={step} receive={step}
                 sent: open={step} send=sent receive=received receive=!filing-receipt-numbered
                 received: open={step} send={step} receive={step} receive={step}"
            )),
            "{city}"
        );
        assert_eq!(received.content, Some(hash("as amended")));
        assert_eq!(received.receipt.as_deref(), Some("2025-17"));
        assert_eq!(received.by, who.organisation);
    }
    assert!(with_filings >= 4, "{with_filings} cities have filings");
}

#[test]
fn something_is_filed_with_whom_the_city_names_and_nobody_else() {
    let check = |city: &str, subject: &str, recipient: &str, expected: &str| {
        let outcome =
            act_at::<Filing>(&law(city), &authority(), at(NOW), None, open(subject, recipient));
        assert_eq!(refused(outcome), expected, "{city} {subject} {recipient}");
    };
    check("hangzhou", "authorisation", "provincial_government", "nothing");
    check("hangzhou", "authorisation", "zone_supervisor", "filing-recipient-known");
    check("hangzhou", "product", "provincial_government", "filing-recipient-known");
    check("beijing", "product", "zone_supervisor", "nothing");
    check("changchun", "agreement", "provincial_authority", "nothing");
    check("changchun", "agreement", "authority", "nothing");
    check("changchun", "plan", "authority", "filing-recipient-known");
}

#[test]
fn a_filing_is_due_after_the_working_days_that_the_city_gives() {
    // Friday, 28 February 2025, is followed by a weekend.
    let due = |city, subject| filing_due(&law(city), subject, day("2025-02-28"));
    assert_eq!(due("beijing", "product"), day("2025-03-07"), "five working days");
    assert_eq!(due("hangzhou", "authorisation"), day("2025-03-14"), "ten working days");
    assert_eq!(due("taizhou", "operator_decision"), day("2025-02-28"), "no time is given");
    let law = law("beijing");
    let opened =
        act_at::<Filing>(&law, &authority(), at(NOW), None, open("product", "zone_supervisor"));
    let opened = opened.expect("opened");
    // The tenth of March ends at four in the afternoon, Greenwich time.
    assert_eq!(opened.due_at, at("2025-03-10T16:00:00Z"));
}
