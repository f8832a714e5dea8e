package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/users"
	"user-manager/validation"
)

// config is what the environment says.
type config struct {
	host, port string
	prefix     string
	version    string
	logLevel   slog.Level

	access        accessConfig
	hosts         []string // that requests may be for besides this machine's
	http          httpConfig
	exposeMetrics bool
	drain         time.Duration // between SIGTERM and the end of serving

	store           storeConfig
	rond            rondConfig
	timers          timerConfig
	imports         importConfig
	bulkLimit       int // most users of one POST or PATCH /users/bulk, or DELETE /users/
	jobs            jobsConfig
	upstreamTimeout time.Duration
	fanOut          int // calls of upstreams that one request or job makes at once
	// passRefusals: documented 500s carry the upstream's own 4xx status.
	passRefusals bool

	provider  string
	allowFake bool

	randomPassword bool
	passwordLength int
	hardDelete     bool
	userIDKey      string
	info           users.UserInfoFields
	// enrichment is nil when GET /users/ is the store's own answer.
	enrichment *enrichment
	forwarding upstream.Forwarding
}

type importConfig struct {
	maxBytes  int64 // of a file
	batchSize int   // rows
	atOnce    int   // imports
}

type jobsConfig struct {
	maxBody            int64
	concurrency, queue int
	retention          time.Duration
	mailsPerSecond     float64
	webhookURL         string // "" means none
	webhookSecret      secret.Text
	webhookHosts       []string
}

// An enrichment is the file at CONFIGURATION_PATH.
type enrichment struct {
	UserID     string   `json:"user_id"`
	Properties []string `json:"additionalProperties"`
}

// loadConfig reads the environment through lookup. Its error names every wrong
// variable.
func loadConfig(lookup func(string) (string, bool)) (config, error) {
	r := &reader{lookup: lookup}
	cfg := config{
		host:            r.text("HTTP_HOST"),
		port:            strconv.Itoa(r.number("HTTP_PORT", 0, math.MaxUint16)),
		prefix:          r.prefix("SERVICE_PREFIX"),
		version:         cmp.Or(r.text("SERVICE_VERSION"), buildVersion()),
		logLevel:        r.level("LOG_LEVEL"),
		access:          r.access(),
		hosts:           r.allowedHosts("ALLOWED_HOSTS"),
		http:            r.http(),
		exposeMetrics:   r.flag("EXPOSE_METRICS"),
		drain:           time.Duration(r.number("DELAY_SHUTDOWN_SECONDS", 0, 3600)) * time.Second,
		upstreamTimeout: r.duration("UPSTREAM_TIMEOUT"),
		fanOut:          r.number("FAN_OUT", 1, 1000),
		passRefusals:    r.oneOf("UPSTREAM_ERROR_STATUS", "500", "passthrough") == "passthrough",
		allowFake:       r.flag("ALLOW_FAKE_PROVIDER"),
		randomPassword:  r.flag("RANDOM_PWD_GEN"),
		passwordLength:  r.number("RANDOM_PWD_LENGTH", secret.MinPasswordLength, 72),
		hardDelete:      r.flag("AUTH_HARD_DELETE"),
		userIDKey:       r.text("CUSTOM_USER_ID_KEY"),
		info:            r.userInfo("USERINFO_ADDITIONAL_PROPERTIES"),
		enrichment:      r.enrichment("CONFIGURATION_PATH"),
		forwarding: upstream.Forwarding{
			MaxDepth:          r.number("HTTP_MAX_JSON_DEPTH", 1, 10_000),
			UserIDKey:         r.text("USERID_HEADER_KEY"),
			GroupsKey:         r.text("GROUPS_HEADER_KEY"),
			ClientTypeKey:     r.text("CLIENTTYPE_HEADER_KEY"),
			BackofficeKey:     r.text("BACKOFFICE_HEADER_KEY"),
			UserPropertiesKey: r.text("USER_PROPERTIES_HEADER_KEY"),
			Additional:        r.list("ADDITIONAL_HEADERS_TO_PROXY"),
			Timer:             r.headers("TIMER_SERVICE_HEADERS"),
		},
	}
	cfg.store = r.store()
	cfg.rond = r.rond()
	cfg.timers = r.timers(&cfg.store)
	r.distinct(cfg.store)
	cfg.imports = importConfig{
		maxBytes:  int64(r.number("USER_IMPORT_MAX_BYTES", 1, math.MaxInt32)),
		batchSize: r.number("USER_IMPORT_BATCH_SIZE", 1, 10_000),
		atOnce:    r.number("USER_IMPORT_CONCURRENCY", 1, 1000),
	}
	cfg.bulkLimit = r.number("USERS_BULK_LIMIT", 1, 100_000)
	cfg.jobs = r.jobs()
	cfg.provider = r.provider()
	if err := providers.Check(cfg.provider, getenv(lookup)); err != nil {
		r.problems = append(r.problems, err)
	}
	if cfg.provider == "fake" && !cfg.loopback() && !cfg.allowFake {
		r.wrong("HTTP_HOST", "the fake provider listens on loopback only, unless ALLOW_FAKE_PROVIDER=true")
	}
	r.reachable(cfg)
	return cfg, errors.Join(r.problems...)
}

// getenv is lookup for those to whom unset is empty.
func getenv(lookup func(string) (string, bool)) func(string) string {
	return func(name string) string {
		value, _ := lookup(name)
		return value
	}
}

// loopback reports whether only this machine can reach the service.
func (c config) loopback() bool {
	ip := net.ParseIP(strings.Trim(c.host, "[]"))
	return c.host == "localhost" || ip != nil && ip.IsLoopback()
}

// listensAt refuses the address that a name has led to, where others may reach what was taken
// for reached by this machine alone: localhost is what the machine's list of hosts says.
func (c config) listensAt(addr net.Addr) error {
	if tcp, ok := addr.(*net.TCPAddr); ok && c.loopback() && !tcp.IP.IsLoopback() {
		return fmt.Errorf("HTTP_HOST: %s leads to %s here, which is no loopback address", c.host, tcp.IP)
	}
	return nil
}

// servesCRUD reports whether the embedded store is served at /crud/.
func (c config) servesCRUD() bool {
	return c.store.url == "" && (c.loopback() || c.store.expose)
}

// userInfo tells unset (all fields), empty (none) and a list apart.
func (r *reader) userInfo(name string) users.UserInfoFields {
	if _, set := r.lookup(name); !set {
		return users.UserInfoFields{All: true}
	}
	return users.UserInfoFields{Names: r.list(name)}
}

func (r *reader) enrichment(name string) *enrichment {
	path := r.text(name)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.wrong(name, "%v", err)
		return nil
	}
	var e enrichment
	switch err := decodeFile(bytes.NewReader(text), &e); {
	case err != nil:
		r.wrong(name, "%s: %v", path, err)
	case e.UserID == "":
		r.wrong(name, "%s: user_id is missing", path)
	case e.Properties == nil:
		r.wrong(name, "%s: additionalProperties is missing", path)
	}
	return &e
}

func (r *reader) jobs() jobsConfig {
	j := jobsConfig{
		maxBody:        int64(r.number("JOBS_MAX_BODY_BYTES", 1, math.MaxInt32)),
		concurrency:    r.number("JOBS_CONCURRENCY", 1, 64),
		queue:          r.number("JOBS_MAX_QUEUED", 1, 10_000),
		retention:      r.duration("JOBS_RETENTION"),
		mailsPerSecond: r.rate("AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND"),
		webhookURL:     r.text("JOBS_WEBHOOK_URL"),
		webhookSecret:  secret.New(r.text("WEBHOOK_SECRET")),
	}
	for _, host := range r.list("WEBHOOK_ALLOWED_HOSTS") {
		j.webhookHosts = append(j.webhookHosts, strings.ToLower(host))
	}
	hook := jobs.Webhook{Secret: j.webhookSecret, AllowedHosts: j.webhookHosts}
	if err := hook.Check(); err != nil {
		r.wrong("WEBHOOK_SECRET", "%v", err)
	}
	if len(j.webhookHosts) > 0 && j.webhookSecret.IsZero() {
		r.wrong("WEBHOOK_SECRET", "is required with WEBHOOK_ALLOWED_HOSTS: callbacks are signed with it")
	}
	if j.webhookURL != "" {
		if err := hook.CheckURL(j.webhookURL); err != nil {
			r.wrong("JOBS_WEBHOOK_URL", "%v; WEBHOOK_ALLOWED_HOSTS lists those that are", err)
		}
	}
	return j
}

// decodeFile reads the one JSON value of a file.
func decodeFile(from io.Reader, to any) error {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(to)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errors.New(validation.WrongType(wrong))
	}
	if err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func (r *reader) provider() string {
	if name := r.text("AUTH_MODULE"); name != "" {
		return name
	}
	if r.text("AUTH_SERVICE") != "" {
		return "auth0Client"
	}
	return "fake"
}
