"""Every setting, with its environment variable, meaning and default.

Invariant: settings are read here only. A bad setting ends the start with one line that names the variable, its value
and the values that it takes. `volteface settings` prints what this module declares.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import os
import re
from functools import cached_property
from typing import Final, Literal, TypeVar, get_args

import msgspec
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_ENV_FILE: Final = ".env"
_COMMON = SettingsConfigDict(env_file=_ENV_FILE, extra="ignore", frozen=True, env_ignore_empty=True)


#: A host name, an IPv4 address, or an IPv6 address in brackets; the port may be absent.
_SERVER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\])(?::([0-9]{1,5}))?")


#: The share of equal characters (`difflib`) from which an unknown variable counts as a misspelt setting: one or two
#: wrong characters, or two that are swapped.
_RESEMBLANCE: Final = 0.93


InputFormat = Literal["json", "confluent", "outbox", "cloudevents"]
INPUT_FORMATS: Final[tuple[InputFormat, ...]] = get_args(InputFormat)
OutputFormat = Literal["json", "avro"]
MARKETPLACE: Final = ("lifecycle", "outreach", "access")
_VERDICTS: Final = "verdicts"
#: The formats of verdicts, which are JSON besides: the console and the commands write them.
_VERDICT_FORMATS: Final[frozenset[InputFormat]] = frozenset({"json", "confluent"})

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting that cannot be used; the message is one line for the operator."""


class KafkaSettings(BaseSettings):
    """How to reach Kafka (`KAFKA_...`)."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", **_COMMON)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="brokers, host:port, separated by commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the connection is secured"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        None, description="SASL mechanism, for the SASL_ protocols"
    )
    sasl_username: str | None = Field(None, description="SASL user")
    sasl_password: SecretStr | None = Field(None, description="SASL password")
    sasl_oauth_token_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="token endpoint of the issuer, for OAUTHBEARER"
    )
    sasl_oauth_client_id: str | None = Field(None, description="client at the issuer (client credentials grant)")
    sasl_oauth_client_secret: SecretStr | None = Field(None, description="secret of that client")
    sasl_oauth_scope: str | None = Field(None, description="scope that is asked for")
    sasl_oauth_cafile: str | None = Field(
        None, description="PEM file of the certificate authority of the token endpoint, in place of the system's"
    )
    ssl_cafile: str | None = Field(
        None,
        description="PEM file of the certificate authority, in place of the system's; it must have signed the brokers' "
        "certificates, which must name their hosts",
    )
    ssl_certfile: str | None = Field(None, description="PEM file of the client certificate")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client key")
    ssl_key_password: SecretStr | None = Field(None, description="password of the client key")
    client_id: str = Field(
        "volteface", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="name of all clients, in Kafka's logs and quotas"
    )
    client_rack: str | None = Field(
        None, description="the rack of this machine: consumers then read from replicas in it, if the brokers allow that"
    )
    mock: bool = Field(
        False, description="whether the broker is the mock of `volteface broker`, which does not answer every request"
    )

    @property
    def uses_tokens(self) -> bool:
        """Whether clients identify themselves with tokens of an issuer."""
        return self.security_protocol.startswith("SASL_") and self.sasl_mechanism == "OAUTHBEARER"

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        """Kafka's clients would end with a stack trace."""
        for server in value.split(","):
            found = _SERVER.fullmatch(server.strip())
            if found is None or not 0 < int(found[1] or 9092) < 65536:
                raise ValueError(f"{server.strip()!r} is not host:port")
        return value

    @field_validator("sasl_password", "sasl_oauth_client_secret", "ssl_key_password")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else _utf8(value)


def _utf8(value: SecretStr) -> SecretStr:
    try:
        value.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    return value


_HTTP: Final = re.compile(r"https?://[^@?#\s]+")


def _formats(text: str) -> dict[str, InputFormat]:
    """Return the format of each input.

    Raises:
        ValueError: The text is no format, and no list of inputs with their formats.
    """
    found: dict[str, InputFormat] = dict.fromkeys((*MARKETPLACE, _VERDICTS), "json")
    if "=" not in text:
        one = _format(text.strip())
        return {name: one if name in MARKETPLACE or one in _VERDICT_FORMATS else "json" for name in found}
    for name, given in _pairs(text).items():
        found[name] = _format(given)
    if found[_VERDICTS] not in _VERDICT_FORMATS:
        raise ValueError(f"{_VERDICTS} are not {found[_VERDICTS]}: they are {' or '.join(sorted(_VERDICT_FORMATS))}")
    return found


def _format(text: str) -> InputFormat:
    known = next((each for each in INPUT_FORMATS if each == text), None)
    if known is None:
        raise ValueError(f"{text!r} is not one of {', '.join(INPUT_FORMATS)}")
    return known


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in text.split(","):
        name, _, given = each.partition("=")
        names = (*MARKETPLACE, _VERDICTS)
        if name.strip() not in names or name.strip() in pairs:
            raise ValueError(f"{each.strip()!r} is not one of {', '.join(names)} (each once) with =format")
        pairs[name.strip()] = given.strip()
    return pairs


class Settings(BaseSettings):
    """Everything else (`VOLTEFACE_...`)."""

    model_config = SettingsConfigDict(env_prefix="VOLTEFACE_", **_COMMON)

    app_id: str = Field(
        "volteface",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="the consumer group, and the first part of the state topic's and the transactions' names",
    )
    web_host: str = Field("0.0.0.0", description="address of /metrics and /health")
    web_port: int = Field(6066, ge=1, le=65535, description="port of /metrics and /health")

    lifecycle_topic: str = Field("reviews.lifecycle.v1", description="topic of review events")
    outreach_topic: str = Field("reviews.outreach.v1", description="topic of seller contacts")
    access_topic: str = Field("reviews.access.v1", description="topic of staff look-ups")
    verdicts_topic: str = Field("integrity.verdicts.v1", description="topic of verdicts and other events of cases")
    evidence_topic: str = Field("integrity.evidence.v1", description="topic of the messages between tasks about staff")
    alerts_topic: str = Field("integrity.alerts.v1", description="topic of alerts")
    cases_topic: str = Field("integrity.cases.v1", description="topic of cases, compacted")
    audit_topic: str = Field(
        "integrity.audit.v1", description="topic of the audit records: who unmasked or erased an id, and why"
    )
    dead_letter_prefix: str = Field(
        "dlq.", min_length=1, description="prefix of dead-letter topics: prefix and topic name"
    )

    checkpoint_seconds: float = Field(
        1.0, ge=0.05, le=60, description="longest time between checkpoints; an alert is committed at once"
    )
    allowed_lateness_seconds: float = Field(
        10, ge=0, le=3600, description="disorder of event time within a topic that is reordered"
    )
    max_idle_seconds: float = Field(
        1,
        ge=0.05,
        le=60,
        description="how long a task waits for a partition that has been read to its end",
    )
    max_event_bytes: int = Field(
        65536, ge=1024, le=900_000, description="largest event accepted; a larger one becomes a dead letter"
    )
    future_seconds: float = Field(
        3600,
        ge=0,
        le=86400 * 30,
        description="how far in the future an event's time may be; events of cases 60 s at most",
    )
    input_format: str = Field(
        "json",
        description=f"format of the values of the input topics: {', '.join(INPUT_FORMATS)}; or one for each, for "
        "example lifecycle=confluent,outreach=outbox; topics that are not named are json; verdicts may be JSON in each "
        "format, and with confluent also in Confluent's framing",
    )
    output_format: OutputFormat = Field(
        "json",
        description="format of alerts and cases: json, or avro in Confluent's framing, which needs a schema registry",
    )
    schema_registry_url: str | None = Field(
        None,
        description="address of the schema registry (Confluent's API), for the input format confluent and the output "
        "format avro",
    )
    schema_registry_user: str | None = Field(
        None, pattern=r"^[^:]+$", description="user of the schema registry; in Confluent Cloud the API key"
    )
    schema_registry_password: SecretStr | None = Field(None, description="password of the schema registry")
    schema_registry_cafile: str | None = Field(
        None, description="PEM file of the schema registry's certificate authority, in place of the system's"
    )
    unknown_fields: Literal["count", "refuse"] = Field(
        "count", description="events with fields unknown to the contract: count them, or refuse them as dead letters"
    )
    four_eyes: Literal["off", "staff", "on"] = Field(
        "staff",
        description="which verdicts need a second analyst: none, those on staff and rings, or also confirmations and "
        "verdicts on an appeal",
    )
    case_due_days: str = Field(
        "1,3,7,14",
        pattern=r"^[0-9]{1,3}(,[0-9]{1,3}){3}$",
        description="days until a case should be decided, for the severities critical, high, medium and low",
    )
    alert_budget: float = Field(
        3, gt=0, le=1000, description="false alarms allowed per 1,000 subjects a year and watch family"
    )
    session_timeout_seconds: float = Field(
        10,
        ge=1,
        le=300,
        description="how long a worker may be silent before the group gives its tasks to others; within the brokers' "
        "group.min.session.timeout.ms and group.max.session.timeout.ms",
    )
    transaction_timeout_seconds: float = Field(
        15,
        ge=1,
        le=900,
        description="how long a checkpoint may take before Kafka aborts it; at most the brokers' "
        "transaction.max.timeout.ms",
    )
    pseudonym_key: SecretStr | None = Field(
        None,
        description="secret, at least 16 characters; with it ids of reviewers and staff are kept only as keyed hashes",
    )
    reviewer_watch: Literal["off", "pseudonyms", "ids"] = Field(
        "pseudonyms",
        description="watch on reviewers who turn many critical reviews: none; only of pseudonyms, that is with "
        "VOLTEFACE_PSEUDONYM_KEY; or also of ids as they are, which then leave the tasks in messages, alerts and cases",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe level that is logged"
    )

    @field_validator("input_format")
    @classmethod
    def _are_formats(cls, value: str) -> str:
        _formats(value)
        return value

    @field_validator("schema_registry_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and "@" in value:
            raise ValueError(
                "it contains a user or a password: set VOLTEFACE_SCHEMA_REGISTRY_USER and _PASSWORD instead"
            )
        if value is not None and _HTTP.fullmatch(value) is None:
            raise ValueError("it is not http://host:port/path or https://host:port/path")
        return value

    @field_validator("schema_registry_password")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else _utf8(value)

    @field_validator("pseudonym_key")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(_utf8(value).get_secret_value()) < 16:
            raise ValueError("it has fewer than 16 characters")
        return value

    @property
    def marketplace_topics(self) -> tuple[str, str, str]:
        """The input topics with the ids of reviewers and staff as the marketplace knows them."""
        return (self.lifecycle_topic, self.outreach_topic, self.access_topic)

    @cached_property
    def input_formats(self) -> tuple[InputFormat, ...]:
        """The formats of the input topics in the order of `events.STREAMS`."""
        formats = _formats(self.input_format)
        return tuple(formats[name] for name in (*MARKETPLACE, _VERDICTS))

    @cached_property
    def input_topics(self) -> tuple[str, ...]:
        """The input topics in the order of `events.STREAMS`."""
        return (*self.marketplace_topics, self.verdicts_topic)

    @property
    def read_topics(self) -> tuple[str, ...]:
        """The topics that a worker reads: the input topics, then the evidence topic."""
        return (*self.input_topics, self.evidence_topic)

    @property
    def state_topic(self) -> str:
        """The compacted changelog of the tasks' state."""
        return f"{self.app_id}-state"

    def dead_letter_topic(self, topic: str) -> str:
        """Return the dead-letter topic of a topic."""
        return self.dead_letter_prefix + topic

    @property
    def pseudonym_secret(self) -> bytes | None:
        """The key of the pseudonyms: a digest of the setting, so that a setting of any length fits the hash."""
        key = self.pseudonym_key
        return None if key is None else hashlib.blake2b(key.get_secret_value().encode()).digest()

    @property
    def pseudonym_fingerprint(self) -> str:
        """A fingerprint that distinguishes keys and reveals nothing else (16 hex digits); empty without a key."""
        key = self.pseudonym_secret
        return hashlib.blake2b(b"volteface", key=key, digest_size=8, person=b"fingerprint").hexdigest() if key else ""

    @property
    def watches_reviewers(self) -> bool:
        """Whether reviewers are watched."""
        return self.reviewer_watch == "ids" or (self.reviewer_watch == "pseudonyms" and self.pseudonym_key is not None)

    @property
    def config_digest(self) -> str:
        """Digest of the settings that alerts depend on (16 hex digits)."""
        deciding = (
            self.allowed_lateness_seconds,
            self.unknown_fields,
            self.alert_budget,
            self.max_event_bytes,
            # Absent without a key, so that digests from before this setting stay the same.
            *filter(None, [self.pseudonym_fingerprint]),
            *(["reviewers"] if self.watches_reviewers else []),
        )
        return hashlib.blake2b(msgspec.json.encode(deciding), digest_size=8).hexdigest()


class ConsoleSettings(BaseSettings):
    """The settings of the analysts' console only (`VOLTEFACE_...`)."""

    model_config = SettingsConfigDict(env_prefix="VOLTEFACE_", **_COMMON)

    console_host: str = Field("127.0.0.1", min_length=1, description="address of the console")
    console_port: int = Field(8080, ge=1, le=65535, description="port of the console")
    console_auth: Literal["local", "oidc", "proxy"] = Field(
        "local",
        description="how the console recognizes people: one local user, on a loopback address only; an OpenID Connect "
        "issuer; or a header of an authenticating proxy",
    )
    console_user: str | None = Field(
        None, description="the analyst, for the authentication `local`; by default the operating system's user"
    )
    console_trusted: str = Field(
        "",
        description="addresses or networks of the proxies whose headers are believed, separated by commas: for the "
        "authentication `proxy`; for `oidc` only X-Forwarded-For, to count logins",
    )
    console_user_header: str = Field(
        "X-Forwarded-User",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="header with the user, for the authentication `proxy`",
    )
    console_roles_header: str = Field(
        "X-Forwarded-Groups",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="header with the user's groups, separated by commas or |, for the authentication `proxy`",
    )
    console_oidc_issuer: str | None = Field(
        None,
        pattern=r"^https?://[^?#\s]+$",
        description="address of the OpenID Connect issuer, with https unless it is on this machine",
    )
    console_oidc_client_id: str | None = Field(None, description="the console's client id at the issuer")
    console_oidc_client_secret: SecretStr | None = Field(None, description="the console's client secret at the issuer")
    console_oidc_scopes: str = Field(
        "openid profile", min_length=1, description="what the console asks the issuer for, separated by blanks"
    )
    console_oidc_user_claim: str = Field(
        "preferred_username",
        min_length=1,
        description="claim that names the analyst; a user must not be able to change it",
    )
    console_oidc_roles_claim: str = Field(
        "groups",
        min_length=1,
        description="claim with the user's groups or roles; dots lead into objects: realm_access.roles",
    )
    console_viewers: str = Field(
        "viewer", description="groups whose members may read, separated by commas; `*` stands for everybody"
    )
    console_analysts: str = Field("analyst", description="groups whose members may also decide, separated by commas")
    console_leads: str = Field(
        "lead", description="groups whose members may also give cases to others, separated by commas"
    )
    console_public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+$",
        description="the address under which browsers reach the console, without a path; with https its cookies are "
        "sent over TLS only",
    )
    console_secret: SecretStr | None = Field(
        None,
        description="secret of the session cookies, at least 32 characters, the same for all consoles of one address; "
        "by default a new one at each start, which logs everybody out",
    )
    console_data: str | None = Field(
        None, description="folder of the read model; by default a temporary one, built again at each start"
    )
    console_lease_minutes: float = Field(
        30,
        ge=1,
        le=1440,
        description="how long a case that somebody took is kept for this analyst without a sign of work",
    )
    console_metrics_urls: str = Field(
        "http://127.0.0.1:6066/metrics",
        description="addresses of the workers' metrics, separated by commas, for the line of health; a name with "
        "several addresses stands for all of them",
    )
    review_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="address of a review on the marketplace, with places for {review_id}, {product_id}, {seller_id}",
    )
    grafana_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="address of Grafana, for links to panels"
    )

    @cached_property
    def trusted_networks(self) -> tuple[IpNetwork, ...]:
        """The networks of the proxies whose headers are believed."""
        return tuple(ipaddress.ip_network(each.strip()) for each in self.console_trusted.split(",") if each.strip())

    @field_validator("console_trusted")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for each in filter(None, map(str.strip, value.split(","))):
            if not ipaddress.ip_network(each).prefixlen:
                raise ValueError(f"{each} is every address: anybody could name himself as any user")
        return value

    @field_validator("console_oidc_client_secret")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else _utf8(value)

    @field_validator("console_secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(_utf8(value).get_secret_value()) < 32:
            raise ValueError("it has fewer than 32 characters")
        return value


class BridgeSettings(BaseSettings):
    """The settings of the bridge only (`VOLTEFACE_BRIDGE_...`)."""

    model_config = SettingsConfigDict(env_prefix="VOLTEFACE_BRIDGE_", **_COMMON)

    mapping: str | None = Field(
        None, description="TOML file that says which topics the bridge reads, and how their records become events"
    )
    port: int = Field(6067, ge=1, le=65535, description="port of the bridge's /metrics and /health")
    on_refusal: Literal["dead_letter", "stop"] = Field(
        "dead_letter", description="what becomes of a record that cannot be mapped: a dead letter, or the bridge stops"
    )


#: What each authentication of the console needs.
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "local": (),
    "proxy": ("console_trusted",),
    "oidc": ("console_oidc_issuer", "console_oidc_client_id", "console_oidc_client_secret"),
}

#: All kinds of settings.
KINDS: Final[tuple[type[BaseSettings], ...]] = (Settings, KafkaSettings, ConsoleSettings, BridgeSettings)


def load_console() -> ConsoleSettings:
    """Read the console's own settings.

    Raises:
        SettingsError: A setting is bad, or one that the authentication needs is not set.
    """
    console = _load(ConsoleSettings)
    _require(console, f"VOLTEFACE_CONSOLE_AUTH={console.console_auth}", *_NEEDED[console.console_auth])
    return console


def load_bridge() -> BridgeSettings:
    """Read the bridge's own settings; raise SettingsError."""
    return _load(BridgeSettings)


def load() -> tuple[Settings, KafkaSettings]:
    """Read all settings from the environment and `.env`.

    Raises:
        SettingsError: A setting is bad; the message is one line that says what to correct.
    """
    settings, kafka = _load(Settings), _load(KafkaSettings)
    _check_names()
    if "confluent" in settings.input_formats and settings.schema_registry_url is None:
        shown = f"{variable(Settings, 'input_format')}={settings.input_format}"
        raise SettingsError(f"{variable(Settings, 'schema_registry_url')} is not set: {shown} needs it")
    if settings.output_format == "avro":
        _require(settings, f"{variable(Settings, 'output_format')}=avro", "schema_registry_url")
    if (settings.schema_registry_user is None) != (settings.schema_registry_password is None):
        lacking = "user" if settings.schema_registry_user is None else "password"
        raise SettingsError(f"{variable(Settings, f'schema_registry_{lacking}')} is not set: the other one is")
    if kafka.security_protocol.startswith("SASL_"):
        _require(kafka, f"KAFKA_SECURITY_PROTOCOL={kafka.security_protocol}", "sasl_mechanism")
        mechanism = f"KAFKA_SASL_MECHANISM={kafka.sasl_mechanism}"
        if kafka.uses_tokens:
            _require(kafka, mechanism, "sasl_oauth_token_url", "sasl_oauth_client_id", "sasl_oauth_client_secret")
        else:
            _require(kafka, mechanism, "sasl_username", "sasl_password")
    return settings, kafka


def _require(settings: BaseSettings, reason: str, *fields: str) -> None:
    for field in fields:
        if not getattr(settings, field):
            raise SettingsError(f"{variable(type(settings), field)} is not set: {reason} needs it")


def _check_names() -> None:
    """Check that no variable is a misspelt setting.

    Variables that resemble no setting are left alone: Kubernetes sets `VOLTEFACE_SERVICE_HOST` and others for a service
    of the name `volteface`.
    """
    for prefix in dict.fromkeys(variable(kind, "") for kind in KINDS):
        names = {variable(kind, field) for kind in KINDS for field in kind.model_fields}
        given = (name.upper() for name in (*os.environ, *dotenv_values(_ENV_FILE)))
        for name in sorted({name for name in given if name.startswith(prefix)} - names):
            resembling = difflib.get_close_matches(name, names, 1, _RESEMBLANCE)
            if resembling:
                raise SettingsError(f"{name} is not a setting: is {resembling[0]} meant? See `volteface settings`")


_T = TypeVar("_T", bound=BaseSettings)


def _load(kind: type[_T]) -> _T:
    try:
        return kind()
    except UnicodeDecodeError as error:
        raise SettingsError(f".env cannot be read: it is not UTF-8, see byte {error.start}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        secret = SecretStr in get_args(kind.model_fields[field].annotation)
        secret = secret or (field == "schema_registry_url" and "@" in str(first["input"]))
        shown = "(hidden)" if secret else repr(first["input"])
        raise SettingsError(
            f"{variable(kind, field)}={shown} cannot be used: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def variable(kind: type[BaseSettings], field: str) -> str:
    """Return the environment variable of a field."""
    return f"{kind.model_config['env_prefix']}{field}".upper()
