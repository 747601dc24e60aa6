//! Columns into transfers. Everything that can be wrong with a line by itself is found here, so that a
//! bad line burns no transfer id.

use std::borrow::Cow;

use anyhow::{Context as _, bail};
use ledger_domain::{AmountError, Decimal, Id};
use ledger_proto::v1;
use ledger_proto::{request, resource};

use super::MappingArgs;
use super::columns::columns;
use super::lines::Line;

/// Which column means what, by place.
#[derive(Debug)]
pub(super) struct Mapping {
    args: MappingArgs,
    parent: String,
    asset: String,
    scale: u8,
    width: usize,
    account: usize,
    amount: usize,
    direction: usize,
    id: usize,
    date: usize,
    reference: Option<usize>,
}

/// A line that is a transfer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) line: Line,
    /// As the file has it.
    pub(super) id: String,
    /// As the file has it.
    pub(super) date: String,
    /// Name of the account in the ledger.
    pub(super) account: String,
    pub(super) transfer: v1::Transfer,
}

impl Mapping {
    /// # Errors
    /// A column that the header does not have, or has twice; words of one meaning.
    pub(super) fn new(
        header: &[String],
        args: &MappingArgs,
        ledger: &str,
        asset: &str,
        scale: u8,
    ) -> anyhow::Result<Self> {
        if args.credit_word == args.debit_word {
            bail!("--credit-word and --debit-word are both {:?}", args.credit_word);
        }
        let place = |column: &str, flag: &str| {
            let mut places = header.iter().enumerate().filter(|(_, title)| *title == column);
            let (place, _) = places.next().with_context(|| {
                format!("no column {column:?} (--{flag}); there are: {}", header.join(", "))
            })?;
            if places.next().is_some() {
                bail!("column {column:?} (--{flag}) occurs more than once");
            }
            anyhow::Ok(place)
        };
        let reference = args.reference_column.as_deref();
        Ok(Mapping {
            parent: resource::ledger_resource(ledger),
            asset: asset.to_owned(),
            scale,
            width: header.len(),
            account: place(&args.account_column, "account-column")?,
            amount: place(&args.amount_column, "amount-column")?,
            direction: place(&args.direction_column, "direction-column")?,
            id: place(&args.id_column, "id-column")?,
            date: place(&args.date_column, "date-column")?,
            reference: reference.map(|column| place(column, "reference-column")).transpose()?,
            args: args.clone(),
        })
    }

    /// The transfer of a line: a credit row debits the contra account and credits the row's, a debit
    /// row the other way round.
    ///
    /// # Errors
    /// The reason why the line is bad, for a person.
    pub(super) fn row(&self, line: &Line) -> Result<Row, String> {
        let columns = columns(&line.bytes, self.args.delimiter)?;
        if columns.len() != self.width {
            return Err(format!("{} columns, the header has {}", columns.len(), self.width));
        }
        let column = |place: usize| columns.get(place).map(Cow::as_ref).unwrap_or_default().trim();
        let account = format!("{}{}", self.args.account_prefix, column(self.account));
        let id = format!("{}{}", self.args.id_prefix, column(self.id));
        if column(self.id).is_empty() {
            return Err(format!("column {:?} is empty", self.args.id_column));
        }
        Id::parse(&id).map_err(|rule| format!("id {id:?}: {rule}"))?;
        let contra = self.args.contra.clone();
        let (debit_account, credit_account) = match column(self.direction) {
            word if word == self.args.credit_word => (contra, account.clone()),
            word if word == self.args.debit_word => (account.clone(), contra),
            word => {
                let MappingArgs { credit_word, debit_word, .. } = &self.args;
                return Err(format!("direction {word:?} is not {credit_word:?} or {debit_word:?}"));
            }
        };
        let date = column(self.date);
        let effective_time = date.parse().map_err(|_| {
            format!("date {date:?} is not a date such as 1993-01-31, nor an RFC 3339 instant")
        })?;
        let transfer = v1::Transfer {
            transfer_id: id,
            debit_account,
            credit_account,
            asset: self.asset.clone(),
            amount: self.amount(column(self.amount))?,
            reference: self.reference.map(column).unwrap_or_default().to_owned(),
            effective_time: Some(effective_time),
            ..Default::default()
        };
        Ok(Row {
            transfer: self.well_formed(transfer)?,
            line: line.clone(),
            id: column(self.id).to_owned(),
            date: date.to_owned(),
            account,
        })
    }

    fn amount(&self, text: &str) -> Result<String, String> {
        let decimal = Decimal::parse(text).and_then(|decimal| decimal.to_minor(self.scale));
        match decimal {
            Ok(0) => Err(format!("amount {text:?} is zero")),
            Ok(_) => Ok(text.to_owned()),
            Err(AmountError::Malformed) => {
                Err(format!("amount {text:?} is not a decimal number such as 12.34"))
            }
            Err(AmountError::TooManyDecimals) => {
                Err(format!("amount {text:?} has more than {} decimals", self.scale))
            }
            Err(AmountError::Overflow) => {
                Err(format!("amount {text:?} is 2^128 minor units or more"))
            }
        }
    }

    /// The shape that the server will ask for, by the same code.
    fn well_formed(&self, transfer: v1::Transfer) -> Result<v1::Transfer, String> {
        let request = v1::PostTransferRequest {
            parent: self.parent.clone(),
            transfer: Some(transfer),
            request_id: String::new(),
            validate_only: true,
            conditions: Vec::new(),
        };
        request::post_transfer(&request).map_err(|rejection| rejection.to_string())?;
        request.transfer.ok_or_else(|| "no transfer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;
    use crate::commands::Command;
    use crate::commands::import::ImportCommand;

    fn args(flags: &[&str]) -> MappingArgs {
        let words = ["ledger", "import", "csv", "x.csv", "--ledger", "bank", "--asset", "CZK"];
        let cli = Cli::try_parse_from(words.iter().chain(flags)).unwrap();
        let Command::Import(ImportCommand::Csv(csv)) = cli.command else { panic!("an import") };
        csv.mapping
    }

    fn mapping(header: &str, flags: &[&str]) -> anyhow::Result<Mapping> {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Mapping::new(&header, &args(flags), "bank", "CZK", 2)
    }

    const HEADER: &str = "id,date,account,direction,amount,note";
    const FLAGS: &[&str] = &[
        "--account-prefix=customers:",
        "--id-prefix=b-",
        "--reference-column=note",
        "--contra=bank:cash",
    ];

    fn row(line: &str) -> Result<Row, String> {
        let line = Line { number: 7, bytes: line.as_bytes().to_vec() };
        mapping(HEADER, FLAGS).unwrap().row(&line)
    }

    #[test]
    fn a_credit_row_comes_from_the_contra_account_and_a_debit_row_goes_there() {
        let credit = row(r#"17,1993-01-01,576,credit,900.00,"salary, may""#).unwrap();
        let expected = v1::Transfer {
            transfer_id: "b-17".to_owned(),
            debit_account: "bank:cash".to_owned(),
            credit_account: "customers:576".to_owned(),
            asset: "CZK".to_owned(),
            amount: "900.00".to_owned(),
            reference: "salary, may".to_owned(),
            effective_time: Some(prost_types::Timestamp { seconds: 725_846_400, nanos: 0 }),
            ..Default::default()
        };
        assert_eq!(credit.transfer, expected);
        assert_eq!((credit.id.as_str(), credit.date.as_str()), ("17", "1993-01-01"));
        assert_eq!(credit.account, "customers:576");
        let debit = row("18,1993-01-01T12:00:00Z,576,debit,1,").unwrap().transfer;
        assert_eq!(debit.debit_account, "customers:576");
        assert_eq!(debit.credit_account, "bank:cash");
        assert_eq!(debit.effective_time.unwrap().seconds, 725_846_400 + 12 * 3_600);
    }

    #[test]
    fn a_bad_line_has_a_reason() {
        let check = |line: &str, part: &str| {
            let reason = row(line).unwrap_err();
            assert!(reason.contains(part), "{line}: {reason:?} should say {part:?}");
        };
        check("17,1993-01-01,576,credit,900.00", "5 columns, the header has 6");
        check("17,1993-01-01,576,credit,900.00,a,b", "7 columns, the header has 6");
        check("17,1993-01-01,576,credit,\"900,x", "a quote is not closed");
        check("17,1993-01-01,576,credit,12.345,", "more than 2 decimals");
        check("17,1993-01-01,576,credit,-5,", "is not a decimal number");
        check("17,1993-01-01,576,credit,\"1,5\",", "is not a decimal number");
        check("17,1993-01-01,576,credit,,", "is not a decimal number");
        check("17,1993-01-01,576,credit,0.00,", "is zero");
        check("17,1993-01-01,576,credit,340282366920938463463374607431768211456,", "2^128");
        check("17,1993-02-29,576,credit,1,", "date \"1993-02-29\" is not a date");
        check("17,01.02.1993,576,credit,1,", "is not a date");
        check("17,1066-10-14,576,credit,1,", "years 1678 to 2262");
        check("17,1993-01-01,576,CREDIT,1,", "direction \"CREDIT\" is not \"credit\" or \"debit\"");
        check(",1993-01-01,576,credit,1,", "column \"id\" is empty");
        check("1 7,1993-01-01,576,credit,1,", "id \"b-1 7\"");
        check("17,1993-01-01,5/6,credit,1,", "an account's name is");
        check(&format!("17,1993-01-01,576,credit,1,{}", "x".repeat(257)), "more than 256 bytes");
    }

    #[test]
    fn the_contra_account_cannot_be_its_own_other_side() {
        let line = Line { number: 2, bytes: b"17,1993-01-01,cash,credit,1,".to_vec() };
        let mapping = mapping(HEADER, &["--account-prefix=bank:"]).unwrap();
        assert!(mapping.row(&line).unwrap_err().contains("SAME_ACCOUNT"));
    }

    #[test]
    fn an_unknown_column_names_those_that_exist() {
        let error = mapping(HEADER, &["--amount-column=amount_czk"]).unwrap_err().to_string();
        let expected = "no column \"amount_czk\" (--amount-column); there are: id, date, account, \
                        direction, amount, note";
        assert_eq!(error, expected);
        let error = mapping("id,id,date,account,direction,amount", &[]).unwrap_err().to_string();
        assert!(error.contains("column \"id\" (--id-column) occurs more than once"), "{error}");
        let error = mapping(HEADER, &["--debit-word=credit"]).unwrap_err().to_string();
        assert!(error.contains("are both"), "{error}");
    }

    #[test]
    fn the_sample_maps_line_by_line_and_its_balances_chain() {
        let text = include_str!("../../../../examples/berka-slice.csv");
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        let mapping = mapping(header, &["--amount-column=amount_czk"]).unwrap();
        let mut balances = std::collections::HashMap::new();
        let mut rows = 0;
        for (number, text) in (2..).zip(lines) {
            let line = Line { number, bytes: text.as_bytes().to_vec() };
            let row = mapping.row(&line).unwrap_or_else(|reason| panic!("{number}: {reason}"));
            let minor = |text: &str| Decimal::parse(text).unwrap().to_minor(2).unwrap();
            let amount = minor(&row.transfer.amount);
            let balance: &mut u128 = balances.entry(row.account.clone()).or_default();
            let credit = row.transfer.credit_account == row.account;
            *balance = if credit { *balance + amount } else { *balance - amount };
            let printed = text.split(',').nth(5).unwrap();
            assert_eq!(*balance, minor(printed), "line {number}");
            rows += 1;
        }
        assert_eq!((rows, balances.len()), (1_970, 239));
    }

    #[test]
    fn another_delimiter_and_other_words() {
        let flags = ["--delimiter=;", "--credit-word=PRIJEM", "--debit-word=VYDAJ"];
        let header = HEADER.to_owned();
        let line = Line { number: 2, bytes: b"1;1993-01-01;5;VYDAJ;1.50;a,b".to_vec() };
        let row = mapping(&header, &flags).unwrap().row(&line).unwrap();
        assert_eq!(row.transfer.debit_account, "5");
    }
}
