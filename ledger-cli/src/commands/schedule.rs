//! `ledger schedule create | cancel | get | list`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use ledger_proto::resource::ledger_resource;
use ledger_proto::v1;
use ledger_proto::v1::schedule::{Rule, Weekly, Yearly};
use prost_types::Timestamp;

use super::metadata::texts;
use super::{Context, fresh_id, pages};
use crate::args::{ConditionArgs, ConsistencyArgs, MetadataArgs, instant};
use crate::output::{acknowledged, left, read_at, right, table, time, word};

/// Commands on schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Make a schedule: a transfer that posts itself. All times are in UTC
    Create(Box<CreateArgs>),
    /// End a schedule: it is not due any more
    Cancel {
        /// Name of the ledger
        ledger: String,
        /// Id of the schedule
        id: String,
        #[command(flatten)]
        conditions: ConditionArgs,
    },
    /// Show a schedule, when it is due next, and what its last times came to
    Get {
        /// Name of the ledger
        ledger: String,
        /// Id of the schedule
        id: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
    /// List the schedules of a ledger, by id
    List {
        /// Name of the ledger
        ledger: String,
        #[command(flatten)]
        consistency: ConsistencyArgs,
    },
}

/// What is posted, and when.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name of the ledger
    ledger: String,
    /// Its id, unique in the ledger for ever; a fresh UUIDv7 when left out
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// Account that is debited
    #[arg(long)]
    debit: String,
    /// Account that is credited
    #[arg(long)]
    credit: String,
    /// Asset code
    #[arg(long)]
    asset: String,
    /// Amount of each transfer
    #[arg(long)]
    amount: String,
    /// Post as much of the amount as both accounts allow, but not nothing
    #[arg(long)]
    up_to: bool,
    /// Free text that every transfer has
    #[arg(long, default_value = "")]
    reference: String,
    #[command(flatten)]
    metadata: MetadataArgs,
    /// When it is due first, or from when on: RFC 3339, or a date, which is its midnight in UTC. It must
    /// be in the future. With a rule of the calendar its time of day is that of every transfer
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Timestamp,
    /// Due again and again after so many seconds; 86400 is daily
    #[arg(long, value_name = "SECONDS", group = "rule")]
    every: Option<u64>,
    /// Due on these days of every week: mon,fri
    #[arg(long, value_name = "DAYS", value_delimiter = ',', group = "rule")]
    weekly: Vec<Day>,
    /// Due on this day of every month, 1 to 31; of a shorter month, on its last
    #[arg(long, value_name = "DAY", group = "rule")]
    monthly: Option<u32>,
    /// Due on this day of every year: 12-31; a 29th of February is the 28th in a common year
    #[arg(long, value_name = "MONTH-DAY", value_parser = month_day, group = "rule")]
    yearly: Option<Yearly>,
    /// Not due after this instant
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// How often it is due at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// A day of the week, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Day> for v1::Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => v1::Weekday::Monday,
            Day::Tue => v1::Weekday::Tuesday,
            Day::Wed => v1::Weekday::Wednesday,
            Day::Thu => v1::Weekday::Thursday,
            Day::Fri => v1::Weekday::Friday,
            Day::Sat => v1::Weekday::Saturday,
            Day::Sun => v1::Weekday::Sunday,
        }
    }
}

fn month_day(text: &str) -> Result<Yearly, String> {
    let parts = text.split_once('-').and_then(|(month, day)| {
        Some(Yearly { month: month.parse().ok()?, day: day.parse().ok()? })
    });
    parts.ok_or_else(|| "not of the form MONTH-DAY, such as 12-31".to_owned())
}

impl CreateArgs {
    fn into_wire(self) -> v1::ScheduleTransferRequest {
        let days: Vec<_> =
            self.weekly.into_iter().map(|day| v1::Weekday::from(day).into()).collect();
        let weekly = (!days.is_empty()).then_some(Rule::Weekly(Weekly { days }));
        let rule = self.every.map(Rule::EverySeconds).or(weekly);
        let rule = rule.or(self.monthly.map(Rule::MonthlyDay)).or(self.yearly.map(Rule::Yearly));
        let (metadata, sealed_metadata) = self.metadata.into_wire();
        let schedule = v1::Schedule {
            schedule_id: self.id.unwrap_or_else(fresh_id),
            debit_account: self.debit,
            credit_account: self.credit,
            asset: self.asset,
            amount: self.amount,
            up_to: self.up_to,
            reference: self.reference,
            start_time: Some(self.start),
            rule,
            until_time: self.until,
            count: self.count.unwrap_or(0),
            metadata,
            sealed_metadata,
        };
        v1::ScheduleTransferRequest {
            parent: ledger_resource(&self.ledger),
            schedule: Some(schedule),
            request_id: fresh_id(),
            validate_only: false,
            conditions: self.conditions.into_wire(),
        }
    }
}

pub(super) async fn run(context: &Context, command: ScheduleCommand) -> anyhow::Result<()> {
    let client = context.connect().await?;
    match command {
        ScheduleCommand::Create(args) => {
            let request = client.request(args.into_wire());
            let answer = client.commands().schedule_transfer(request).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("ScheduleTransferResponse", &response, |response| {
                let outcome = acknowledged(response.acknowledgement.as_ref());
                format!("made {}: {outcome}\n", response.name)
            })
        }
        ScheduleCommand::Cancel { ledger, id, conditions } => {
            let request = v1::CancelScheduleRequest {
                name: format!("{}/schedules/{id}", ledger_resource(&ledger)),
                request_id: fresh_id(),
                validate_only: false,
                conditions: conditions.into_wire(),
            };
            let answer = client.commands().cancel_schedule(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("CancelScheduleResponse", &response, |response| {
                let outcome = acknowledged(response.acknowledgement.as_ref());
                format!("cancelled {}: {outcome}\n", response.name)
            })
        }
        ScheduleCommand::Get { ledger, id, consistency } => {
            let name = format!("{}/schedules/{id}", ledger_resource(&ledger));
            let request = v1::GetScheduleRequest { name, consistency: consistency.to_wire() };
            let answer = client.queries().get_schedule(client.request(request)).await;
            let response = answer.map_err(|status| client.explain(status))?.into_inner();
            context.output.answer("GetScheduleResponse", &response, describe)
        }
        ScheduleCommand::List { ledger, consistency } => {
            let all = pages::all(async |page_size, page_token| {
                let (parent, consistency) = (ledger_resource(&ledger), consistency.to_wire());
                let request =
                    v1::ListSchedulesRequest { parent, consistency, page_size, page_token };
                client.queries().list_schedules(client.request(request)).await
            });
            let all = all.await.map_err(|status| client.explain(status))?;
            context.output.answer("ListSchedulesResponse", &all, |all| {
                let rows: Vec<_> = all.schedules.iter().map(row).collect();
                format!("{}{}", table(&COLUMNS, &rows), read_at(all.read_at.as_ref()))
            })
        }
    }
}

const COLUMNS: [crate::output::Column; 7] = [
    left("SCHEDULE"),
    left("STATUS"),
    left("NEXT"),
    right("TIMES"),
    left("LAST"),
    right("AMOUNT"),
    left("ASSET"),
];

fn row(state: &v1::ScheduleState) -> Vec<String> {
    let schedule = state.schedule.clone().unwrap_or_default();
    let status = word(state.status().as_str_name(), "SCHEDULE_STATUS_");
    let last = state.last.as_ref().map_or("-", |last| match last.refused.as_str() {
        "" => "posted",
        refused => refused,
    });
    vec![
        schedule.schedule_id,
        status,
        time(state.next_time.as_ref()),
        state.times.to_string(),
        last.to_owned(),
        schedule.amount,
        schedule.asset,
    ]
}

fn describe(response: &v1::GetScheduleResponse) -> String {
    let state = response.schedule.clone().unwrap_or_default();
    let schedule = state.schedule.clone().unwrap_or_default();
    let mut text = table(&COLUMNS, &[row(&state)]);
    text.push_str(&format!("{} to {}\n", schedule.debit_account, schedule.credit_account));
    let noted = texts(&schedule.metadata, &schedule.sealed_metadata);
    if !noted.is_empty() {
        text.push_str(&format!("each with {noted}\n"));
    }
    let rows: Vec<_> = response
        .occurrences
        .iter()
        .map(|it| {
            let outcome = if it.refused.is_empty() { "posted" } else { it.refused.as_str() };
            vec![
                it.number.to_string(),
                time(it.due_time.as_ref()),
                outcome.to_owned(),
                it.transfer_id.clone(),
                it.position.clone(),
            ]
        })
        .collect();
    let columns =
        [right("NUMBER"), left("DUE"), left("OUTCOME"), left("TRANSFER"), left("POSITION")];
    text.push_str(&table(&columns, &rows));
    text + &read_at(response.read_at.as_ref())
}
