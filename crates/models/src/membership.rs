//! Can it be told from the model who it was trained on?
//!
//! The attacker is the worst one: it holds each subject's true values and the model itself, and for
//! half of the subjects whether they were members (SACRO-ML, worst-case attack). Subjects, never rows,
//! are told apart; those held out for validation are the non-members.

use std::collections::{HashMap, HashSet};

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    Body, Check, Model, Output, Rules, Verdict,
    boost::{Boost, boost},
    check::against,
    design::{Design, Rows},
    fit::Fitting,
    number::{area_error, area_under_curve, mean, real, wilson},
    spread::Spread,
};

/// Standard errors of a one-sided bound at 95%.
const Z: f64 = 1.645;

/// How often the trained attack, and its baseline, are drawn anew.
const DRAWS: u64 = 5;

/// False positives at least at which a rate of true positives is read: at fewer it is chance.
const FALSE_POSITIVES: usize = 20;

/// All attacks on membership.
pub(crate) fn membership(model: &Model, design: &Design, fitting: &Fitting) -> Vec<Check> {
    let rules = fitting.rules;
    let members = by_subject(model, &design.training);
    let others = by_subject(model, &design.validation);
    let score = |seen: &[Seen]| seen.iter().map(|seen| -seen.loss).collect::<Vec<f64>>();
    vec![
        judge("membership by loss", &score(&members), &score(&others), rules),
        trained_attack(&members, &others, fitting),
        likelihood_ratio(model, design, fitting),
    ]
}

/// What an attacker sees of a subject, averaged over the subject's rows.
#[derive(Clone, Copy)]
struct Seen {
    loss: f64,
    prediction: f64,
    target: f64,
    subject: u64,
}

fn by_subject(model: &Model, rows: &Rows) -> Vec<Seen> {
    let mut sums: HashMap<u64, (f64, f64, f64, usize)> = HashMap::new();
    for (row, target, subject) in rows.iter() {
        let sum = sums.entry(subject).or_default();
        sum.0 += model.loss(row, target);
        sum.1 += model.predict(row);
        sum.2 += target;
        sum.3 += 1;
    }
    let mut seen: Vec<Seen> = sums
        .into_iter()
        .map(|(subject, (loss, prediction, target, rows))| {
            let rows = real(rows);
            Seen {
                loss: loss / rows,
                prediction: prediction / rows,
                target: target / rows,
                subject,
            }
        })
        .collect();
    seen.sort_by_key(|seen| seen.subject);
    seen
}

/// Holds the scores of an attack, higher for members, against the bounds.
///
/// The true-positive rate is read where at least twenty non-members are taken for members, which may be
/// at a higher rate than the rules name; the limit is then at least twice that rate.
fn judge(name: &str, members: &[f64], others: &[f64], rules: &Rules) -> Check {
    let area = area_under_curve(members, others);
    let error = area_error(area, members.len(), others.len());
    judge_area(name, (area, error), members, others, rules)
}

fn judge_area(
    name: &str,
    (area, error): (f64, f64),
    members: &[f64],
    others: &[f64],
    rules: &Rules,
) -> Check {
    let (hits, at) = true_positives(members, others, rules.membership_false_positives);
    let bounds = wilson(hits, members.len(), Z);
    let limit = rules.membership_true_positives.max(2.0 * at);
    let by_area = against(rules.membership_auc, (area - Z * error, area + Z * error));
    let by_rate = against(limit, bounds);
    let verdict = by_area.max(by_rate);
    let reason = match verdict {
        Verdict::Pass => "members are told from others hardly better than by guessing",
        Verdict::Review => "it cannot be excluded that members are told from others too well",
        Verdict::Fail => "members are told from others: the model remembers whom it was trained on",
    };
    Check::new(name, verdict, reason)
        .with("area under curve", area)
        .with("area under curve, upper bound", area + Z * error)
        .with("false-positive rate", at)
        .with("true-positive rate", real(hits) / real(members.len().max(1)))
        .with("true-positive rate, upper bound", bounds.1)
}

/// How many members score higher than all but a share of non-members, and that share.
fn true_positives(members: &[f64], others: &[f64], rate: f64) -> (usize, f64) {
    let mut sorted = others.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut taken = 0;
    while taken < FALSE_POSITIVES.min(sorted.len()) || real(taken) < rate * real(sorted.len()) {
        taken += 1;
    }
    let bar = sorted.get(taken.saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
    let hits = members.iter().filter(|score| **score > bar).count();
    (hits, real(taken) / real(sorted.len().max(1)))
}

/// The attack that learns from half of the subjects what members look like, and its baseline with
/// membership shuffled.
fn trained_attack(members: &[Seen], others: &[Seen], fitting: &Fitting) -> Check {
    let all: Vec<(Seen, bool)> = members
        .iter()
        .map(|seen| (*seen, true))
        .chain(others.iter().map(|seen| (*seen, false)))
        .collect();
    let (mut found, mut shuffled) = (vec![], vec![]);
    for draw in 0..DRAWS {
        let mut rng = StdRng::seed_from_u64(fitting.seed ^ (draw + 1));
        let mut order = all.clone();
        order.shuffle(&mut rng);
        found.push(one_attack(&order));
        let mut labels: Vec<bool> = order.iter().map(|(_, is_member)| *is_member).collect();
        labels.shuffle(&mut rng);
        let guess = order.iter().zip(labels).map(|((seen, _), label)| (*seen, label));
        let (a, b) = one_attack(&guess.collect::<Vec<_>>());
        shuffled.push(area_under_curve(&a, &b));
    }
    let area = mean(found.iter().map(|(a, b)| area_under_curve(a, b)));
    // Draws share their subjects: they are no more evidence than one.
    let (a, b) = found.first().map_or((0, 0), |(a, b)| (a.len(), b.len()));
    let (first, second) = found.into_iter().next().unwrap_or_default();
    let figures = (area, area_error(area, a, b));
    judge_area("membership by a trained attack", figures, &first, &second, fitting.rules)
        .with("area under curve, membership shuffled", mean(shuffled))
}

/// Learns from the first half, and scores the members and the others of the second.
fn one_attack(order: &[(Seen, bool)]) -> (Vec<f64>, Vec<f64>) {
    const LEAF: usize = 10;
    let rows = |part: &[(Seen, bool)]| {
        let mut rows = Rows { inputs: vec![], targets: vec![], subjects: vec![] };
        for (seen, is_member) in part {
            let off = (seen.prediction - seen.target).abs();
            rows.inputs.push(vec![seen.loss, seen.prediction, seen.target, off]);
            rows.targets.push(f64::from(*is_member));
            rows.subjects.push(seen.subject);
        }
        rows
    };
    let (known, asked) = order.split_at(order.len() / 2);
    let (known, asked) = (rows(known), rows(asked));
    let thresholds: Vec<Vec<f64>> = (0..4)
        .map(|input| Spread::of(&known.input(input), &known.subjects).thresholds(32, 1, 6))
        .collect();
    let settings = Boost {
        rounds: 30,
        depth: 3,
        rate: 0.1,
        leaf_subjects: LEAF,
        is_probability: true,
        digits: 6,
    };
    let attack = boost(&known, &thresholds, &settings, &|| false);
    let score = |row: &[f64]| -> f64 {
        let Body::Trees { trees, .. } = &attack else { return 0.0 };
        trees.iter().filter_map(|tree| tree.leaf(row)).map(|(_, value)| value).sum()
    };
    let (mut members, mut others) = (vec![], vec![]);
    for (row, is_member, _) in asked.iter() {
        if is_member > 0.5 { members.push(score(row)) } else { others.push(score(row)) }
    }
    (members, others)
}

/// The likelihood-ratio attack (Carlini et al. 2022): how a subject's loss compares with what models
/// trained with and without it come to. Variances are shared by all subjects, as the authors advise
/// for few shadow models.
fn likelihood_ratio(model: &Model, design: &Design, fitting: &Fitting) -> Check {
    const NAME: &str = "membership by likelihood ratio";
    if fitting.rules.shadow_models < 4 {
        return Check::new(
            NAME,
            Verdict::Review,
            "not run: the rules ask for too few shadow models",
        );
    }
    let pool = design.training.with(&design.validation);
    let people = pool.people();
    // For each subject what shadow models say that were trained with it, and without it.
    let mut said: HashMap<u64, [Vec<f64>; 2]> = HashMap::new();
    for number in 0..u64::from(fitting.rules.shadow_models) {
        let mut rng = StdRng::seed_from_u64(fitting.seed.wrapping_add(1000 + number));
        let mut order = people.clone();
        order.shuffle(&mut rng);
        order.truncate(people.len() / 2);
        let chosen: HashSet<u64> = order.into_iter().collect();
        let Ok(body) = fitting.fit(&pool.of(&chosen)) else { continue };
        let shadow = Model { body, ..model.clone() };
        for (subject, certainty) in certainties(&shadow, &pool) {
            let [with, without] = said.entry(subject).or_default();
            if chosen.contains(&subject) { with.push(certainty) } else { without.push(certainty) }
        }
    }
    said.retain(|_, [with, without]| with.len() > 1 && without.len() > 1);
    if said.len() * 2 < people.len() {
        return Check::new(
            NAME,
            Verdict::Review,
            "not run: too few shadow models could be trained",
        );
    }
    let spread = |side: usize| {
        let off = said.values().filter_map(|sides| sides.get(side)).flat_map(|certainties| {
            let centre = mean(certainties.iter().copied());
            let lost = real(certainties.len()) / real(certainties.len() - 1);
            certainties.iter().map(move |c| lost * (c - centre).powi(2))
        });
        mean(off).max(1e-12)
    };
    let (with_variance, without_variance) = (spread(0), spread(1));
    let log_density = |at: f64, centre: f64, variance: f64| {
        -0.5 * ((at - centre).powi(2) / variance + variance.ln())
    };
    let score = |rows: &Rows| -> Vec<f64> {
        let known = certainties(model, rows).into_iter();
        let ratio = known.filter_map(|(subject, certainty)| {
            let [with, without] = said.get(&subject)?;
            let (with, without) = (mean(with.iter().copied()), mean(without.iter().copied()));
            Some(
                log_density(certainty, with, with_variance)
                    - log_density(certainty, without, without_variance),
            )
        });
        ratio.collect()
    };
    judge(NAME, &score(&design.training), &score(&design.validation), fitting.rules)
}

/// For each subject a figure that grows with how well the model does and is about normal: the
/// log-odds of the true code, or less the logarithm of the loss.
fn certainties(model: &Model, rows: &Rows) -> Vec<(u64, f64)> {
    let mut sums: HashMap<u64, (f64, usize)> = HashMap::new();
    for (row, target, subject) in rows.iter() {
        let certainty = match &model.output {
            Output::Code { .. } if target > 0.5 => model.score(row),
            Output::Code { .. } => -model.score(row),
            Output::Number { .. } | Output::Cluster => -(model.loss(row, target) + 1e-9).ln(),
        };
        let sum = sums.entry(subject).or_default();
        *sum = (sum.0 + certainty, sum.1 + 1);
    }
    let mut all: Vec<(u64, f64)> =
        sums.into_iter().map(|(subject, (sum, rows))| (subject, sum / real(rows))).collect();
    all.sort_by_key(|(subject, _)| *subject);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_pass_and_parted_scores_fail() {
        let rules = Rules::default();
        let evenly: Vec<f64> = (0..2000).map(|at| f64::from(at % 997) / 997.0).collect();
        let check = judge("it", &evenly, &evenly, &rules);
        assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
        let higher: Vec<f64> = evenly.iter().map(|score| score + 0.2).collect();
        let check = judge("it", &higher, &evenly, &rules);
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
    }

    #[test]
    fn a_few_members_who_stand_out_fail_though_the_area_is_that_of_guessing() {
        let rules = Rules::default();
        let others: Vec<f64> = (0..5000).map(f64::from).collect();
        // One in twenty members scores higher than anybody else.
        let members = (0..5000).map(|at| if at % 20 == 0 { 1e6 } else { f64::from(at) });
        let check = judge("it", &members.collect::<Vec<_>>(), &others, &rules);
        assert!(check.figures["area under curve"] < 0.55);
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
    }

    #[test]
    fn few_subjects_are_for_a_person_to_judge() {
        let few: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(judge("it", &few, &few, &Rules::default()).verdict, Verdict::Review);
    }
}
