//! Signing in by name and password, and the lock on names whose password is being guessed.
//!
//! **Invariant:** of attempts on one name, however many come at once, one at a time is counted,
//! checked and recorded, so that no more wrong passwords are tried than the lock allows.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use shuyu_casework::Person;
use shuyu_kernel::{Actor, PersonId};
use shuyu_law::Rule;
use shuyu_store::{ActError, Entry, Filter, StoreError, StreamId};
use tokio::sync::Mutex;

use super::{
    App,
    password::{self, PasswordError, PasswordHash},
    token::{Token, TokenError},
};

/// A token is good for this long.
const TOKEN_HOURS: i64 = 8;
/// So many wrong passwords within [`LOCK_MINUTES`] lock a sign-in name for as long.
const WRONG_PASSWORDS: u64 = 5;
const LOCK_MINUTES: i64 = 30;
/// How many turns there are; names that share one wait for each other.
const TURNS: usize = 64;

pub(super) const MAY_SIGN_IN: Rule = Rule::new("sign-in-known");

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Name and password do not fit, or the person is closed. Which of them is not said.
    #[error("the sign-in name or the password is wrong")]
    Wrong,
    /// Too many wrong passwords.
    #[error("too many wrong passwords: try again in {LOCK_MINUTES} minutes")]
    Locked,
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The act.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose turn it is to try a password, and how often locked names were tried all the same.
#[derive(Debug)]
pub(super) struct Turns(Vec<Mutex<HashMap<String, Knocks>>>);

/// Attempts on a name while it is locked.
#[derive(Debug, Clone, Copy)]
struct Knocks {
    times: u64,
    last_at: DateTime<Utc>,
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// The turn of a name, in its disguise: nobody outside can tell which names share it.
    fn of(&self, name: &str) -> Option<&Mutex<HashMap<String, Knocks>>> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let place = hasher.finish() % (TURNS as u64);
        usize::try_from(place).ok().and_then(|place| self.0.get(place))
    }
}

impl App {
    /// Signs a person in: a bearer token, if name and password fit.
    pub async fn sign_in(&self, sign_in: &str, password: &str) -> Result<String, SignInError> {
        let (id, person) = self.check_password(sign_in, password).await?;
        let actor = self.acting(id, &person).await?;
        let entry = Entry::new(StreamId::of::<Person>(id), "person.sign_in", json!({}));
        self.desk().journal(&actor, entry).await?;
        let expires_at = self.now() + Duration::hours(TOKEN_HOURS);
        Ok(self.0.tokens.seal(&Token { person: id, epoch: person.epoch, expires_at }))
    }

    /// Who signs in by this name with this password. What does not fit is recorded, and too much
    /// of it locks the name for a while.
    pub(super) async fn check_password(
        &self,
        sign_in: &str,
        password: &str,
    ) -> Result<(PersonId, Person), SignInError> {
        // What was typed stays in the log for ever, and may be somebody's name.
        let name = self.0.tokens.disguise(sign_in);
        let mut turn = match self.0.turns.of(&name) {
            Some(turn) => turn.lock().await,
            None => return Err(SignInError::Locked),
        };
        let subject = StreamId::new("sign_in", &name);
        let since = self.now() - Duration::minutes(LOCK_MINUTES);
        let until = self.now() + Duration::microseconds(1);
        let wrong = self.desk().count(&subject, "sign_in.refuse", since, until).await?;
        if wrong >= WRONG_PASSWORDS {
            self.refuse_locked(&mut turn, name, subject).await?;
            return Err(SignInError::Locked);
        }
        turn.remove(&name);
        let found = self.desk().list::<Person>(&Filter::name(sign_in)).await?;
        let found = found.into_iter().find(|(_, person)| person.is_open);
        let hash = found.as_ref().and_then(|(_, person)| of_kept(&person.password_hash));
        let given = password.to_owned();
        let fits = tokio::task::spawn_blocking(move || {
            if let Some(hash) = hash {
                return password::verify(&given, &hash);
            }
            password::verify_nobody(&given);
            false
        })
        .await
        .unwrap_or(false);
        if let Some(found) = found.filter(|_| fits) {
            return Ok(found);
        }
        self.refuse_sign_in(subject, "sign_in.refuse", json!({})).await?;
        Err(SignInError::Wrong)
    }

    /// Records that a locked name was tried: the first time, the second, the fourth, the eighth
    /// and so on, so that whoever knocks without having signed in cannot fill the log.
    async fn refuse_locked(
        &self,
        turn: &mut HashMap<String, Knocks>,
        name: String,
        subject: StreamId,
    ) -> Result<(), ActError> {
        let now = self.now();
        turn.retain(|_, knocks| knocks.last_at > now - Duration::minutes(LOCK_MINUTES));
        let knocks = turn.entry(name).or_insert(Knocks { times: 0, last_at: now });
        *knocks = Knocks { times: knocks.times + 1, last_at: now };
        let times = knocks.times;
        if times.is_power_of_two() {
            self.refuse_sign_in(subject, "sign_in.locked", json!({ "times": times })).await?;
        }
        Ok(())
    }

    async fn refuse_sign_in(
        &self,
        subject: StreamId,
        act: &str,
        mut body: serde_json::Value,
    ) -> Result<(), ActError> {
        let refusal = self.law().refuse(MAY_SIGN_IN, &[]);
        if let Some(body) = body.as_object_mut() {
            body.insert("refused".to_owned(), json!(refusal.rule));
        }
        let entry = Entry { clauses: refusal.clauses, ..Entry::new(subject, act, body) };
        self.desk().journal(&Actor::system(), entry).await.map(drop)
    }
}

fn of_kept(text: &str) -> Option<PasswordHash> {
    serde_json::from_str(text).ok()
}
