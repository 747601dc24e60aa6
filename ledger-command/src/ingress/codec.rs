//! Commands and results as records: protobuf, or its canonical JSON.

use ledger_log::kafka::records::KafkaRecord;
use ledger_proto::command::request_id;
use ledger_proto::v1;
use ledger_proto::v1::command::Request;
use ledger_proto::v1::command_result::Outcome;
use ledger_proto::v1::transfer_result::Outcome as ItemOutcome;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::result::{failure, reason};

pub(super) const CONTENT_TYPE: &str = "content-type";
pub(super) const CORRELATION_ID: &str = "correlation-id";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
/// A value that is larger is not even looked at: a full batch with the longest texts fits twice.
const VALUE_BYTES_MAX: usize = 2 << 20;
/// A producer's own id of a command, which comes back with its result.
const CORRELATION_BYTES_MAX: usize = 1_024;
/// The longest id that a command may have.
const ID_BYTES_MAX: usize = 64;

/// How a command is written, and so its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => PROTOBUF,
            Encoding::Json => JSON,
        }
    }
}

/// What is no command, with what its answer is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) encoding: Encoding,
    pub(super) why: String,
}

/// Reads commands and writes results.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    command: MessageDescriptor,
    result: MessageDescriptor,
}

impl Codec {
    /// `None` only where the descriptors that were built in are not those of this package.
    pub(super) fn new() -> Option<Codec> {
        let pool = DescriptorPool::decode(ledger_proto::FILE_DESCRIPTOR_SET).ok()?;
        Some(Codec {
            command: pool.get_message_by_name("ledger.v1.Command")?,
            result: pool.get_message_by_name("ledger.v1.CommandResult")?,
        })
    }

    /// The command that a record is.
    ///
    /// # Errors
    /// [`Unreadable`] when it is none.
    pub(super) fn decode(
        &self,
        record: &KafkaRecord,
    ) -> Result<(v1::Command, Encoding), Unreadable> {
        let unreadable = |encoding, why: String| Unreadable { encoding, why };
        let declared = declared(record).map_err(|why| unreadable(Encoding::Json, why))?;
        let Some(value) = &record.value else {
            let why = "a record without a value asks for nothing".to_owned();
            return Err(unreadable(declared.unwrap_or(Encoding::Json), why));
        };
        if value.len() > VALUE_BYTES_MAX {
            let why = format!("{} bytes, at most {VALUE_BYTES_MAX}", value.len());
            return Err(unreadable(declared.unwrap_or(Encoding::Json), why));
        }
        // No protobuf message of this kind begins with a brace.
        let begins_as_json = value.first() == Some(&b'{');
        let guessed = if begins_as_json { Encoding::Json } else { Encoding::Protobuf };
        let encoding = declared.unwrap_or(guessed);
        let decoded = match encoding {
            Encoding::Json => self.from_json(value),
            Encoding::Protobuf => {
                v1::Command::decode(value.as_slice()).map_err(|error| error.to_string())
            }
        };
        match decoded {
            Ok(command) => Ok((command, encoding)),
            // What is neither was most likely typed by a person.
            Err(why) => Err(unreadable(declared.unwrap_or(Encoding::Json), why)),
        }
    }

    #[expect(clippy::wrong_self_convention, reason = "reads JSON, and needs the descriptors")]
    fn from_json(&self, value: &[u8]) -> Result<v1::Command, String> {
        let mut json = serde_json::Deserializer::from_slice(value);
        let message = DynamicMessage::deserialize(self.command.clone(), &mut json)
            .map_err(|error| error.to_string())?;
        json.end().map_err(|error| error.to_string())?;
        message.transcode_to::<v1::Command>().map_err(|error| error.to_string())
    }

    /// A result as a record's value, of at most this many bytes, and what it is written in. One that is too
    /// large as JSON is protobuf; if it is too large still, its refusals lose their sentences.
    pub(super) fn encode(
        &self,
        mut result: v1::CommandResult,
        encoding: Encoding,
        bytes_max: usize,
    ) -> (Vec<u8>, Encoding) {
        if encoding == Encoding::Json
            && let Some(json) = self.to_json(&result).filter(|json| json.len() <= bytes_max)
        {
            return (json, Encoding::Json);
        }
        if result.encoded_len() > bytes_max {
            shorten(&mut result);
        }
        if result.encoded_len() > bytes_max {
            let message = "it was decided, but its result is too large: ask for its transfers";
            result.outcome = Some(failure(reason::OUTCOME_UNKNOWN, message));
        }
        (result.encode_to_vec(), Encoding::Protobuf)
    }

    fn to_json(&self, result: &v1::CommandResult) -> Option<Vec<u8>> {
        let bytes = result.encode_to_vec();
        let message = DynamicMessage::decode(self.result.clone(), bytes.as_slice()).ok()?;
        serde_json::to_vec(&message).ok()
    }
}

/// What the producer said that it is.
fn declared(record: &KafkaRecord) -> Result<Option<Encoding>, String> {
    let Some(said) = record.header(CONTENT_TYPE) else { return Ok(None) };
    // As it mostly is, without a copy.
    match said {
        said if said == JSON.as_bytes() => return Ok(Some(Encoding::Json)),
        said if said == PROTOBUF.as_bytes() => return Ok(Some(Encoding::Protobuf)),
        _ => {}
    }
    let said = String::from_utf8_lossy(said).to_ascii_lowercase();
    match said.split(';').next().unwrap_or_default().trim() {
        "" => Ok(None),
        JSON => Ok(Some(Encoding::Json)),
        PROTOBUF | "application/protobuf" => Ok(Some(Encoding::Protobuf)),
        other => {
            let other: String = other.chars().take(64).collect();
            Err(format!("content-type {other:?}: it is {JSON} or {PROTOBUF}"))
        }
    }
}

fn shorten(result: &mut v1::CommandResult) {
    match &mut result.outcome {
        Some(Outcome::Transfers(transfers)) => {
            for item in &mut transfers.results {
                if let Some(ItemOutcome::Refusal(refusal)) = &mut item.outcome {
                    refusal.message.clear();
                    refusal.subject.clear();
                }
            }
        }
        Some(Outcome::Refusal(refusal)) => refusal.message.clear(),
        Some(Outcome::Failure(failure)) => failure.message.clear(),
        Some(Outcome::Acknowledgement(_)) | None => {}
    }
}

/// An id for what a record asks, the same whenever it is read again.
pub(super) fn id_of_record(topic: &str, record: &KafkaRecord) -> String {
    let KafkaRecord { partition, offset, .. } = record;
    let id = format!("{topic}-{partition}-{offset}");
    if id.len() <= ID_BYTES_MAX {
        return id;
    }
    let topic = blake3::hash(topic.as_bytes()).to_hex();
    format!("{}-{partition}-{offset}", &topic[..32])
}

/// By what a result is known to whoever sent the command: its correlation id, else its request id, else
/// the id of its one transfer, else the place of the record.
pub(super) fn correlation(
    topic: &str,
    record: &KafkaRecord,
    command: Option<&v1::Command>,
) -> Vec<u8> {
    let given = record.header(CORRELATION_ID);
    if let Some(given) = given.filter(|given| (1..=CORRELATION_BYTES_MAX).contains(&given.len())) {
        return given.to_vec();
    }
    let own = command.map(|command| match (request_id(command), &command.request) {
        ("", Some(Request::PostTransfer(post))) => {
            post.transfer.as_ref().map_or("", |transfer| transfer.transfer_id.as_str())
        }
        (id, _) => id,
    });
    match own.filter(|own| (1..=ID_BYTES_MAX).contains(&own.len())) {
        Some(own) => own.as_bytes().to_vec(),
        None => id_of_record(topic, record).into_bytes(),
    }
}

#[cfg(test)]
mod tests;
