"""Every refusal of the service: a class for each code. Made by `make problems`, never by hand."""

from client import errors


class ActionNotAllowed(errors.Conflict):
    """The application can't take this action now."""

    code = "action-not-allowed"


class AgreementExists(errors.Conflict):
    """There is an agreement of this number."""

    code = "agreement-exists"


class AgreementNotFound(errors.Missing):
    """No such agreement."""

    code = "agreement-not-found"


class AgreementOver(errors.Conflict):
    """The agreement is over, or its end is settled."""

    code = "agreement-over"


class AgreementReplaced(errors.Conflict):
    """Another agreement takes its place already."""

    code = "agreement-replaced"


class ApplicationNotFound(errors.Missing):
    """No such application."""

    code = "application-not-found"


class ArchiveElsewhere(errors.Conflict):
    """Another agency has the archive."""

    code = "archive-elsewhere"


class ArchiveInvalid(errors.NotValid):
    """What is to be entered is wrong."""

    code = "archive-invalid"


class ArchiveKnown(errors.Conflict):
    """The person's archive is in the register."""

    code = "archive-known"


class ArchiveNotFound(errors.Missing):
    """No such archive."""

    code = "archive-not-found"


class ArchiveNotFree(errors.Conflict):
    """The archive is lent, on its way, or gone."""

    code = "archive-not-free"


class ArchiveStale(errors.Outdated):
    """It has changed since you read it."""

    code = "archive-stale"


class ArchiveUnknown(errors.Conflict):
    """The register has no archive of this person."""

    code = "archive-unknown"


class AssertionReused(errors.Unauthenticated):
    """The assertion was used before."""

    code = "assertion-reused"


class BankExists(errors.Conflict):
    """There is a bank of this code."""

    code = "bank-exists"


class BankNotFound(errors.Missing):
    """No such bank."""

    code = "bank-not-found"


class BodyTooLarge(errors.TooLarge):
    """The body is too large."""

    code = "body-too-large"


class QueueFull(errors.Unavailable):
    """Too busy to take more now."""

    code = "busy"


class CheckedBySame(errors.NotAllowed):
    """Who handled it, or found the fault, does not do this."""

    code = "check-separation"


class ChecksumMismatch(errors.Corrupted):
    """The part differs from its checksum."""

    code = "checksum-mismatch"


class ChecksumUnknown(errors.Malformed):
    """This checksum is not understood."""

    code = "checksum-unknown"


class ClaimedByOther(errors.Conflict):
    """Another person is working on it."""

    code = "claimed-by-other"


class ClientInvalid(errors.Unauthenticated):
    """The assertion does not prove a terminal."""

    code = "client-invalid"


class ContentInvalid(errors.NotValid):
    """What was handed in is incomplete or wrong."""

    code = "content-invalid"


class CoreAsked(errors.Conflict):
    """The agency's core system is at it."""

    code = "core-asked"


class CountyFull(errors.Conflict):
    """The county has no number left for an outlet."""

    code = "county-full"


class CursorInvalid(errors.NotValid):
    """`after` is not a page mark of this list."""

    code = "cursor-invalid"


class DatabaseAway(errors.Unavailable):
    """The service is not available now."""

    code = "database-away"


class DeliveryNotFound(errors.Missing):
    """No such delivery."""

    code = "delivery-not-found"


class DependedOn(errors.Conflict):
    """Outlets or agreements still depend on it."""

    code = "depended-on"


class DifferenceNotFound(errors.Missing):
    """No such difference."""

    code = "difference-not-found"


class DivisionAbolished(errors.Missing):
    """The division has been abolished."""

    code = "division-abolished"


class DivisionNotFound(errors.Missing):
    """No such division."""

    code = "division-not-found"


class DivisionOfOtherScheme(errors.Missing):
    """A code of the other coding scheme."""

    code = "division-scheme"


class DocumentNotFound(errors.Missing):
    """The application has no such paper."""

    code = "document-not-found"


class EnrolmentInvalid(errors.Unauthenticated):
    """The enrolment code is not valid."""

    code = "enrolment-invalid"


class FeedExpired(errors.Conflict):
    """Some events after `after` have been given up: their time was over."""

    code = "feed-expired"


class FeedEpochOver(errors.Conflict):
    """The feed has been restarted."""

    code = "feed-restarted"


class FileKindUnsupported(errors.Unsupported):
    """Only PDF, JPEG, PNG and OFD are taken."""

    code = "file-kind-unsupported"


class FileEmpty(errors.NotValid):
    """No file was received."""

    code = "file-missing"


class FileNotFound(errors.Missing):
    """No such file."""

    code = "file-not-found"


class FileTooLarge(errors.TooLarge):
    """The file is larger than 20 MiB."""

    code = "file-too-large"


class FilesAway(errors.Unavailable):
    """Files can't be stored or read now."""

    code = "files-away"


class Forbidden(errors.NotAllowed):
    """Your role does not permit this."""

    code = "forbidden"


class GrantActionNotAllowed(errors.Conflict):
    """The grant can't take this step now."""

    code = "grant-action-not-allowed"


class GrantHeld(errors.Conflict):
    """The role is held, or applied for, already."""

    code = "grant-held"


class GrantInvalid(errors.NotValid):
    """The application for a right is not right."""

    code = "grant-invalid"


class GrantNotFound(errors.Missing):
    """No such grant."""

    code = "grant-not-found"


class GrantSamePerson(errors.NotAllowed):
    """Applying, checking, approving and granting take four persons, none of them the holder."""

    code = "grant-same-person"


class GrantStale(errors.Outdated):
    """It has changed since you read it."""

    code = "grant-stale"


class GuideActionNotAllowed(errors.Conflict):
    """Its state does not permit this now."""

    code = "guide-action-not-allowed"


class GuideBreaksRules(errors.NotValid):
    """The guide breaks rules and can't be published."""

    code = "guide-breaks-rules"


class GuideImmutable(errors.Conflict):
    """A published version can't be changed."""

    code = "guide-immutable"


class GuideNotFound(errors.Missing):
    """No guide of this matter is in force on that day."""

    code = "guide-not-found"


class GuideNotValid(errors.NotValid):
    """The draft can't be kept."""

    code = "guide-not-valid"


class GuideOverlaps(errors.Conflict):
    """The period overlaps another published version."""

    code = "guide-overlaps"


class GuideSamePerson(errors.NotAllowed):
    """Who wrote it can't publish it."""

    code = "guide-same-person"


class GuideStale(errors.Outdated):
    """It has changed since you read it."""

    code = "guide-stale"


class GuideSuperseded(errors.Conflict):
    """The guide has been superseded."""

    code = "guide-superseded"


class VersionNotFound(errors.Missing):
    """No such version."""

    code = "guide-version-not-found"


class KeyInProgress(errors.Conflict):
    """The first call with this key still runs."""

    code = "idempotency-key-in-progress"


class KeyReused(errors.NotValid):
    """The key was used for another body."""

    code = "idempotency-key-reused"


class PreconditionRequired(errors.ConditionMissing):
    """If-Match is needed."""

    code = "if-match-required"


class NoSpreadsheet(errors.Unsupported):
    """This is no spreadsheet."""

    code = "import-kind-unsupported"


class ImportNotFound(errors.Missing):
    """No such import."""

    code = "import-not-found"


class ImportTooLarge(errors.TooLarge):
    """The file is larger than 64 MiB."""

    code = "import-too-large"


class Internal(errors.ServerFault):
    """A fault of the service."""

    code = "internal"


class JsonMalformed(errors.Malformed):
    """The body is no valid JSON."""

    code = "json-malformed"


class JsonTooDeep(errors.Malformed):
    """The JSON is nested too deep."""

    code = "json-too-deep"


class JsonTooMany(errors.TooLarge):
    """The JSON has too many members."""

    code = "json-too-many"


class KeyTaken(errors.Conflict):
    """This key is known already."""

    code = "key-taken"


class KeyUnusable(errors.NotValid):
    """This public key can't be used."""

    code = "key-unusable"


class LayerNotAllowed(errors.NotValid):
    """A place can't change the guide like this."""

    code = "layer-not-allowed"


class LayerNotFound(errors.Missing):
    """The place has no layer of this matter."""

    code = "layer-not-found"


class LayersInTheWay(errors.Conflict):
    """Published layers would not be legal under this version."""

    code = "layers-in-the-way"


class Leaving(errors.Unavailable):
    """This process is about to stop."""

    code = "leaving"


class MatterNotFound(errors.Missing):
    """No such matter."""

    code = "matter-not-found"


class MatterNotOpen(errors.NotAllowed):
    """This outlet may not hand in this matter."""

    code = "matter-not-open"


class NoSuchMethod(errors.WrongMethod):
    """The path does not take this method."""

    code = "method-not-allowed"


class NotClaimed(errors.Conflict):
    """Claim it first."""

    code = "not-claimed"


class NoSuchPage(errors.Missing):
    """No such resource."""

    code = "not-found"


class NoticeNotFound(errors.Missing):
    """No such notice."""

    code = "notice-not-found"


class NoticeStale(errors.Outdated):
    """It has changed since you read it."""

    code = "notice-stale"


class NoticeTold(errors.Conflict):
    """The applicant has been told."""

    code = "notice-told"


class NumbersExhausted(errors.Conflict):
    """No more numbers can be reserved today."""

    code = "numbers-exhausted"


class OutletClosed(errors.NotAllowed):
    """This outlet takes no applications now."""

    code = "outlet-closed"


class TerminalsFull(errors.Conflict):
    """The outlet has as many as it may have."""

    code = "outlet-full"


class OutletKnown(errors.Conflict):
    """The outlet is known already."""

    code = "outlet-known"


class OutletNotFound(errors.Missing):
    """No such outlet."""

    code = "outlet-not-found"


class OutletNotReady(errors.Conflict):
    """The outlet can't begin to work yet."""

    code = "outlet-not-ready"


class OwnProposal(errors.Conflict):
    """Nobody decides what he proposed himself."""

    code = "own-proposal"


class PostsExclude(errors.Conflict):
    """The person holds a post that excludes this one."""

    code = "posts-exclude"


class ProgressLocked(errors.TooMany):
    """Too many wrong codes for this number."""

    code = "progress-locked"


class ProgressNotFound(errors.Missing):
    """The number or the code is not right."""

    code = "progress-not-found"


class ProposalNotFound(errors.Missing):
    """No such proposal."""

    code = "proposal-not-found"


class ProposalPending(errors.Conflict):
    """A change of the outlet waits already."""

    code = "proposal-pending"


class ProposalSuperseded(errors.Conflict):
    """What it would change has changed otherwise since."""

    code = "proposal-superseded"


class QueryTooBroad(errors.NotValid):
    """The query is too broad."""

    code = "query-too-broad"


class RatedBefore(errors.Conflict):
    """It has been rated."""

    code = "rated-before"


class RaterSecret(errors.NotAllowed):
    """Who handled it is not told who rated it."""

    code = "rater-secret"


class RatingTooEarly(errors.Conflict):
    """It is not over yet."""

    code = "rating-too-early"


class RectificationNotAllowed(errors.Conflict):
    """It can't be done now."""

    code = "rectification-not-allowed"


class RectificationNotFound(errors.Missing):
    """No such rectification."""

    code = "rectification-not-found"


class RectificationStale(errors.Outdated):
    """It has changed since you read it."""

    code = "rectification-stale"


class RegistryActionNotAllowed(errors.Conflict):
    """Its state does not permit this now."""

    code = "registry-action-not-allowed"


class RegistryInvalid(errors.NotValid):
    """What was sent is incomplete or wrong."""

    code = "registry-not-valid"


class RegistryStale(errors.Outdated):
    """It has changed since you read it."""

    code = "registry-stale"


class RequestInvalid(errors.NotValid):
    """The request is not of the right shape."""

    code = "request-invalid"


class MemoryStale(errors.Unavailable):
    """Rights can't be checked right now."""

    code = "rights-not-current"


class RulesLeaveGaps(errors.Conflict):
    """With these rules places have no agency, or two."""

    code = "routing-gaps"


class ScopeInvalid(errors.NotValid):
    """The role can't be held within this scope."""

    code = "scope-invalid"


class SamePerson(errors.NotAllowed):
    """One person may not do two steps of one application."""

    code = "separation-of-duties"


class SheetsBusy(errors.Unavailable):
    """Too many sheets are being made."""

    code = "sheets-busy"


class CheckNotFound(errors.Missing):
    """No such spot check."""

    code = "spot-check-not-found"


class StaffActionNotAllowed(errors.Conflict):
    """Its state does not permit this now."""

    code = "staff-action-not-allowed"


class StaffInvalid(errors.NotValid):
    """What was sent is incomplete or wrong."""

    code = "staff-not-valid"


class StaffStale(errors.Outdated):
    """It has changed since you read it."""

    code = "staff-stale"


class StrongerProofNeeded(errors.NotAllowed):
    """The role asks for a stronger proof of who you are."""

    code = "stronger-proof-needed"


class SubscriptionActionNotAllowed(errors.Conflict):
    """The action is not possible as it stands now."""

    code = "subscription-action-not-allowed"


class SubscriptionInvalid(errors.NotValid):
    """The subscription is not right."""

    code = "subscription-invalid"


class SubscriptionNotFound(errors.Missing):
    """No such subscription."""

    code = "subscription-not-found"


class SubscriptionStale(errors.Outdated):
    """It has changed since you read it."""

    code = "subscription-stale"


class SubscriptionsFull(errors.Conflict):
    """There are as many subscriptions as there may be."""

    code = "subscriptions-full"


class SupervisionNotAllowed(errors.Conflict):
    """It can't be done now."""

    code = "supervision-not-allowed"


class OrderNotFound(errors.Missing):
    """No such supervision order."""

    code = "supervision-order-not-found"


class SupervisionStale(errors.Outdated):
    """It has changed since you read it."""

    code = "supervision-stale"


class TellerExists(errors.Conflict):
    """There is a teller of this code."""

    code = "teller-exists"


class TellerInactive(errors.NotAllowed):
    """The teller is not active at this outlet."""

    code = "teller-inactive"


class TellerNotFound(errors.Missing):
    """This outlet has no such teller."""

    code = "teller-not-found"


class TerminalNotFound(errors.Missing):
    """This outlet has no such terminal."""

    code = "terminal-not-found"


class TerminalSuspended(errors.NotAllowed):
    """This terminal is suspended."""

    code = "terminal-suspended"


class TextForbidden(errors.Malformed):
    """A text holds a character that is not allowed."""

    code = "text-forbidden"


class TokenInvalid(errors.Unauthenticated):
    """The token is not valid, or has expired."""

    code = "token-invalid"


class TokenMissing(errors.Unauthenticated):
    """A token is needed."""

    code = "token-missing"


class DoorLocked(errors.TooMany):
    """Too many tries; wait."""

    code = "too-many-attempts"


class TooManyRequests(errors.TooMany):
    """Too many requests."""

    code = "too-many-requests"


class TooManyStreams(errors.TooMany):
    """Too many calls are waiting for events."""

    code = "too-many-streams"


class UploadMalformed(errors.Malformed):
    """The upload is broken off or malformed."""

    code = "upload-malformed"


class UploadMediaType(errors.Unsupported):
    """A part comes with another type."""

    code = "upload-media-type"


class MetadataMalformed(errors.Malformed):
    """`Upload-Metadata` is malformed or too long."""

    code = "upload-metadata"


class UploadNotFound(errors.Missing):
    """No such upload."""

    code = "upload-not-found"


class UploadOffset(errors.Conflict):
    """The part begins elsewhere than the upload stands."""

    code = "upload-offset"


class UploadPastLength(errors.TooLarge):
    """More bytes than were announced."""

    code = "upload-past-length"


class UploadVersion(errors.Outdated):
    """This version of tus is not spoken."""

    code = "upload-version"


class StaleVersion(errors.Outdated):
    """The application has changed since you read it."""

    code = "version-stale"
