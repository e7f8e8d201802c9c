"""Every deliberate error. Each message is one line that says what is wrong and how to fix it.

::

    MeshseekError
    ├── InputError                 the caller's mistake (HTTP 4xx)
    │   ├── QueryError             a query that cannot be searched
    │   ├── ImageError             a picture that cannot be read
    │   ├── DatasetError           a library that cannot be read at all
    │   │   └── LibraryGoneError   it is not there, or lists nothing
    │   ├── UnreadableAssetError   one asset that cannot be read: skipped and counted
    │   ├── UnknownPluginError     a name that no plug-in of the family has
    │   ├── BasketError            assets that cannot be collected like this
    │   ├── ConfirmationNeededError  much would go, and nobody has agreed
    │   ├── SettingsError          a setting that is missing or not valid
    │   ├── NotFoundError          no such asset, view or model file (HTTP 404)
    │   └── ForbiddenError         the caller's key does not allow it (HTTP 403)
    ├── KeysError                  the keys of a workspace cannot be read, or not be changed like this
    ├── WorkspaceError             a stage's input is missing, damaged or in use
    ├── BackupError                backups that are missing, damaged, in use or of a newer Meshseek
    ├── SpaceMismatchError         vectors of one space met the embedder of another
    ├── EmbedderError              a model that cannot be loaded or used
    ├── EngineError                a cluster that cannot be reached, or a worker of it that cannot be used
    ├── RerankerError              a reranker that cannot be loaded or used, or whose answer makes no sense
    ├── TranslatorError            a translation that cannot be started or gone on with
    ├── HostedError                a hosted service refused, or cannot be reached (HTTP 503)
    │   └── HostedItemError        it refused what was sent: this one item, not the next
    ├── DatabaseError              the database refused
    │   ├── DatabaseDownError      the database cannot be reached (HTTP 503)
    │   ├── DatabaseSlowError      a statement took too long (HTTP 503)
    │   ├── DatabaseVersionError   PostgreSQL or pgvector is too old
    │   └── NotPublishedError      the algorithm has no published version (HTTP 409)
    ├── FetchError                 something could not be downloaded
    ├── BusyError                  more is asked than can be answered soon (HTTP 503 with Retry-After)
    │   └── TooSlowError           it took so long that nobody waits for it any longer
    ├── ServiceError               a service of ours cannot start or does not answer
    └── ApiError                   what a running Meshseek said instead of an answer, to who asks it by the client
"""

from __future__ import annotations

from typing import Self

LOG = "the server's log says why"


class MeshseekError(Exception):
    """Something that Meshseek foresaw went wrong; the message carries the cure."""

    general: str | None = None
    """What others than the operator are told, where the message may hold addresses or paths; None where it never does.
    """

    @property
    def in_general(self) -> str:
        """The message without what concerns the operator alone."""
        return self.general or str(self)


class InputError(MeshseekError):
    """The caller gave something that cannot be used."""


class QueryError(InputError):
    """The query cannot be searched."""


class ImageError(InputError):
    """The picture cannot be read."""


class DatasetError(InputError):
    """The library cannot be read at all."""


class LibraryGoneError(DatasetError):
    """The library is not there, or lists nothing."""


class ConfirmationNeededError(InputError):
    """Much would be taken out, and nobody has agreed."""


class BasketError(InputError):
    """Assets cannot be collected like this."""


class UnreadableAssetError(InputError):
    """One asset cannot be read; the stage skips and counts it."""


class UnknownPluginError(InputError):
    """No plug-in of the family has this name."""


class SettingsError(InputError):
    """A setting is missing or not valid."""


class NotFoundError(InputError):
    """There is no such asset, view or model file."""


class ForbiddenError(InputError):
    """The caller's key does not allow this."""


class KeysError(MeshseekError):
    """The keys of a workspace cannot be read, or not be changed like this."""


class WorkspaceError(MeshseekError):
    """A stage's input is missing, damaged or in use."""

    general = f"the workspace cannot be used; {LOG}"


class BackupError(MeshseekError):
    """Backups that are missing, damaged, in use, or of a newer Meshseek."""


class SpaceMismatchError(MeshseekError):
    """Vectors of one space met the embedder of another."""


class EmbedderError(MeshseekError):
    """A model cannot be loaded or used."""

    general = f"the model cannot be loaded or used; {LOG}"


class EngineError(MeshseekError):
    """A cluster cannot be reached, or a worker of it cannot be used."""


class RerankerError(MeshseekError):
    """A reranker cannot be loaded or used, or its answer makes no sense."""

    @classmethod
    def of(cls, error: MeshseekError) -> Self:
        """What kept the reranker from being loaded or used, which strangers are told no more of than before."""
        made = cls(str(error))
        made.general = error.general
        return made


class TranslatorError(MeshseekError):
    """A translation cannot be started or gone on with."""

    general = f"a translation cannot be made; {LOG}"


class HostedError(MeshseekError):
    """A hosted service refused, or cannot be reached.

    Args:
        message: What is wrong, and the cure.
        retryable: It may pass by itself; and where the connection broke, what was asked may have been done.
    """

    general = f"a hosted service refused or cannot be reached; try again in a while, {LOG}"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class HostedItemError(HostedError):
    """A hosted service refused what was sent; other items may pass."""

    general = "the hosted model refused what was sent; word it differently, or send another picture"


class DatabaseError(MeshseekError):
    """The database refused."""

    general: str | None = f"the database refused or took too long; ask for less at once, {LOG}"


class DatabaseDownError(DatabaseError):
    """The database cannot be reached."""

    general = f"the database cannot be reached; try again in a moment, {LOG}"


class DatabaseTakenError(DatabaseDownError):
    """Another process has the database, for now."""


class DatabaseSlowError(DatabaseError):
    """A statement took longer than it may; the next one may be quick."""


class DatabaseVersionError(DatabaseError):
    """pgvector is too old, or what is published has the tables of another Meshseek."""

    general = None


class NotPublishedError(DatabaseError):
    """The algorithm has no published version."""

    general = None


class FetchError(MeshseekError):
    """Something could not be downloaded."""

    general = f"something cannot be downloaded; {LOG}"


class BusyError(MeshseekError):
    """More is asked at once than can be answered soon."""


class TooSlowError(BusyError):
    """It took so long that nobody waits for it any longer."""


class ServiceError(MeshseekError):
    """A service of ours cannot start or does not answer."""


class ApiError(MeshseekError):
    """A running Meshseek, asked by :class:`meshseek.Client`, refused, failed or did not answer.

    Args:
        message: What is wrong and the cure, as the service says it.
        code: The API's word for it, such as ``not_found``, ``query``, ``busy`` or ``unauthorized``; or, where it said
            nothing: ``unreachable``, ``timeout``, ``not_understood`` (this is no Meshseek, or another version),
            ``status`` (something between, such as a proxy, refused with its own words), ``unnamed`` (an older
            Meshseek, which gave a message without a code) or ``too_large``.
        status: Of HTTP; None where there was no answer.
        request_id: By which the service's log knows the request.
    """

    def __init__(self, message: str, *, code: str, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.request_id = request_id
