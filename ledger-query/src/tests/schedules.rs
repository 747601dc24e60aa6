//! Schedules as they were at every position, and page by page.

use ledger_domain::{AccountName, AssetCode, CommandBody, Decimal, Id, Leg, Plan, When};
use ledger_proto::{time, v1};

use super::as_of;
use super::bank::Bank;

fn schedule(id: &str, start: i64, when: When) -> CommandBody {
    let leg = Leg {
        debit_account: AccountName::parse("till").unwrap(),
        credit_account: AccountName::parse("wallet").unwrap(),
        asset: AssetCode::parse("EUR").unwrap(),
        amount: Decimal::parse("1").unwrap(),
        up_to: false,
    };
    let plan = Plan {
        leg,
        reference: "".into(),
        metadata: <_>::default(),
        when,
        start,
        until: None,
        count: None,
    };
    CommandBody::ScheduleTransfer { schedule: Id::parse(id).unwrap(), plan: Box::new(plan) }
}

#[test]
fn schedules_are_read_as_of_every_position_and_in_pages() {
    let mut bank = Bank::new(1);
    let query = bank.query();
    let opened = bank.open("bank");
    let start = bank.recorded_at() + 3_600_000_000_000;
    let ids = ["a", "b", "c"];
    let bodies = ids.map(|id| schedule(id, start, When::Monthly(31))).to_vec();
    let made = bank.commit("bank", bodies);
    let cancel = CommandBody::CancelSchedule { schedule: Id::parse("b").unwrap() };
    let cancelled = bank.commit("bank", vec![cancel]);
    let get = |id: &str, at: &str| {
        let name = format!("ledgers/bank/schedules/{id}");
        query.get_schedule(&v1::GetScheduleRequest { name, consistency: as_of(at) })
    };
    assert!(get("a", &opened.to_string()).is_err(), "not made yet");
    assert!(get("b", &format!("{made}.0")).is_err(), "not made yet");
    let read = get("b", &made.to_string()).unwrap().schedule.unwrap();
    assert_eq!(read.status(), v1::ScheduleStatus::Active);
    assert!(time::from_wire(&read.next_time.unwrap()).unwrap() >= start);
    let read = get("b", &cancelled.to_string()).unwrap().schedule.unwrap();
    assert_eq!((read.status(), read.next_time), (v1::ScheduleStatus::Cancelled, None));
    let mut request = v1::ListSchedulesRequest {
        parent: "ledgers/bank".into(),
        consistency: as_of(&made.to_string()),
        page_size: 2,
        page_token: String::new(),
    };
    let mut pages = Vec::new();
    loop {
        let page = query.list_schedules(&request).unwrap();
        let names = page.schedules.iter().map(|it| (it.name.clone(), it.status()));
        pages.push(names.collect::<Vec<_>>());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let active = |id| (format!("ledgers/bank/schedules/{id}"), v1::ScheduleStatus::Active);
    assert_eq!(pages, [vec![active("a"), active("b")], vec![active("c")]]);
    let later = v1::ListSchedulesRequest { page_token: pages_token(&query), ..request };
    assert!(query.list_schedules(&later).is_err(), "of another ledger");
}

fn pages_token(query: &crate::Query) -> String {
    let parent = "ledgers/bank".to_owned();
    let request = v1::ListSchedulesRequest { parent, page_size: 1, ..Default::default() };
    query.list_schedules(&request).unwrap().next_page_token
}
