package main

import "iter"

// A setting is one environment variable. This table is the only place that has its
// default and meaning: the configuration reader takes defaults from here, -help prints it,
// and the README's table is a copy that a test compares.
type setting struct {
	name, standard, meaning string
}

// A settingGroup is the settings of one subject.
type settingGroup struct {
	heading  string
	settings []setting
}

// allSettings are the settings of all groups, in their order.
func allSettings() iter.Seq[setting] {
	return func(yield func(setting) bool) {
		for _, group := range settings {
			for _, s := range group.settings {
				if !yield(s) {
					return
				}
			}
		}
	}
}

var settings = []settingGroup{
	{"The service", []setting{
		{"HTTP_HOST", "127.0.0.1", "address to listen on"},
		{"HTTP_PORT", "3000", "port to listen on; 0 takes a free one"},
		{"SERVICE_PREFIX", "", "path before every route but those below `/-/` and `/documentation`, such as `/ums`"},
		{"SERVICE_VERSION", "", "version that the status routes give; unset: the build's own"},
		{"LOG_LEVEL", "info", "`error`, `warn`, `info`, `debug`, `trace` or `silent`"},
		{"LOG_CLIENT_IP", "false", "have the addresses of clients in the log: `X-Forwarded-For` as it is, or else the peer"},
		{"EXPOSE_METRICS", "true", "serve `/-/metrics`"},
		{"DELAY_SHUTDOWN_SECONDS", "10", "seconds that the service goes on serving after SIGTERM, while `/-/ready` says that it is not ready, so that nobody is led here any more; SIGINT stops without it, and so does SIGHUP where it has no file read again"},
		{"SHUTDOWN_TIMEOUT", "20s", "how long requests under way may take after that"},
		{"UPSTREAM_TIMEOUT", "10s", "longest wait for one answer of the store, the provider, Rönd or the Timer Service, tries again included"},
		{"UPSTREAM_ERROR_STATUS", "500", "`500`, or `passthrough`: where an upstream's failure is documented as a 500, its own 4xx status is given instead"},
	}},
	{"Access", []setting{
		{"API_KEYS", "", "comma-separated keys; callers send one in the header `client-key` or `secret`. These, `API_KEYS_FILE` or `ALLOW_UNAUTHENTICATED` are required when `HTTP_HOST` is not loopback"},
		{"API_KEYS_FILE", "", "file of more keys, one a line; blank lines and those that begin with `#` are left out; read again on SIGHUP"},
		{"ALLOW_UNAUTHENTICATED", "false", "listen on an address that is not loopback without keys: a gateway in front lets nobody through who must not call"},
		{"ALLOWED_HOSTS", "", "where the service listens on loopback and asks for no keys, it answers requests for `localhost` and loopback addresses alone, and none that pages of other origins make, so that web pages in a browser on the machine cannot use it: comma-separated further names of hosts; `*`: any, and pages of any origin"},
		{"LOGIN_RATE_LIMIT", "10/1m", "failed logins of an account in a time, and ten times as many of an address; beyond them 429. `off`: no limit"},
		{"TRUSTED_PROXIES", "", "comma-separated addresses or networks (`10.0.0.0/8`), `linklocal` or `uniquelocal`, whose `X-Forwarded-For` is believed when failed logins are counted; loopback's always is"},
		{"TLS_CERT_FILE", "", "PEM file of a certificate and its chain, with which the service speaks TLS; read again on SIGHUP"},
		{"TLS_KEY_FILE", "", "PEM file of its key; read again on SIGHUP"},
	}},
	{"Limits", []setting{
		{"HTTP_MAX_BODY_BYTES", "1048576", "largest request body; beyond it 413"},
		{"HTTP_MAX_BODIES_BYTES", "16777216", "bytes of all bodies above 16 KiB that are held at once; a request beyond waits for a second, then 503"},
		{"HTTP_MAX_HEADER_BYTES", "65536", "largest header of a request, its path and query included; beyond it 431"},
		{"HTTP_MAX_JSON_DEPTH", "64", "deepest nesting of arrays and objects in JSON that a client sends; beyond it 400"},
		{"HTTP_MAX_REQUESTS", "256", "requests that are worked on at once; beyond them 503"},
		{"HTTP_MAX_CONNECTIONS", "512", "open connections of clients; for one more the one is closed that has been without a request for longest"},
		{"HTTP_READ_HEADER_TIMEOUT", "10s", "how long the header of a request may take to arrive"},
		{"HTTP_READ_TIMEOUT", "1m", "how long a request may take to arrive"},
		{"HTTP_WRITE_TIMEOUT", "30s", "how long a client may take for one piece of an answer"},
		{"HTTP_IDLE_TIMEOUT", "2m", "how long a connection is kept without a request"},
		{"FAN_OUT", "8", "calls of upstreams that one request or job makes at once"},
	}},
	{"The store", []setting{
		{"CRUD_SERVICE", "", "`embedded`, or name or URL of a CRUD Service; unset: `embedded`, or `crud-service` when `USERS_CRUD_ENDPOINT` is set"},
		{"CRUD_MAX_CONNECTIONS", "256", "connections to a CRUD Service over the network; calls beyond wait for one"},
		{"USERS_CRUD_ENDPOINT", "", "path of the users collection; embedded: `/users` when unset"},
		{"UMS_CONFIG_CRUD_ENDPOINT", "", "path of the user groups collection; embedded: `/ums-config` when unset"},
		{"ROLES_CRUD_ENDPOINT", "", "path of the roles collection, for `permissions`; embedded: `/roles` when unset"},
		{"JOURNAL_CRUD_ENDPOINT", "", "path of a collection that notes operations under way, so that a crash leaves nothing half done and several copies of the service keep apart; embedded: built in; remote and unset: kept in memory, for one copy"},
		{"JOBS_CRUD_ENDPOINT", "", "path of a collection that keeps jobs and their outcomes, so that they survive a restart; embedded: built in; remote and unset: kept in memory"},
		{"EMBEDDED_PATH", "user-manager.db", "file of the embedded store, or `:memory:`"},
		{"EMBEDDED_SYNC", "full", "`full`: an acknowledged write survives power loss; `normal`: the last ones may be lost then, but not in a crash"},
		{"COLLECTION_DEFINITION_FOLDER", "", "folder of the CRUD Service's own collection definition files: the embedded store serves their collections, in the place of its own of the same path"},
		{"EMBEDDED_CRUD_EXPOSE", "false", "serve the embedded store at `/crud/` also when `HTTP_HOST` is not loopback"},
		{"USER_GROUPS_FILE", "", "JSON array of user groups that an empty embedded store starts with; unset: demo groups; `none`: nothing"},
	}},
	{"The provider", []setting{
		{"AUTH_MODULE", "", "name of the authentication provider; unset: `auth0Client` when `AUTH_SERVICE` is set, else `fake`"},
		{"AUTH_SERVICE", "", "auth0Client: name or URL of the Auth0 Client"},
		{"AUTH_CONNECTION", "", "the provider's database of users; auth0: `Username-Password-Authentication` when unset; auth0Client: the one that it is configured with when unset"},
		{"AUTH0_DOMAIN", "", "auth0: domain of the tenant, such as `example.eu.auth0.com`, or a URL"},
		{"AUTH0_CLIENT_ID", "", "auth0: id of the application that users log in to"},
		{"AUTH0_CLIENT_SECRET", "", "auth0: its secret"},
		{"AUTH0_MANAGEMENT_CLIENT_ID", "", "auth0: id of the application that manages accounts; unset: the one that users log in to"},
		{"AUTH0_MANAGEMENT_CLIENT_SECRET", "", "auth0: its secret"},
		{"AUTH0_AUDIENCE", "", "auth0: identifier of the API that access tokens are for; unset: the tenant's default"},
		{"AUTH0_SCOPE", "openid profile email offline_access", "auth0: scopes that a login asks for; without `offline_access` there are no refresh tokens"},
		{"AUTH0_JOB_POLLING_INTERVAL", "2 minutes", "longest pause between two looks at an import job of Auth0: `90 seconds`, `1 hour and 30 minutes`, or a cron expression; a young job is looked at more often"},
		{"ALLOW_FAKE_PROVIDER", "false", "let the fake provider run on an address that is not loopback"},
		{"FAKE_TOKEN_TTL", "1h", "fake: lifetime of an access token"},
		{"FAKE_REFRESH_TOKEN_TTL", "720h", "fake: lifetime of a refresh token"},
		{"FAKE_OUTBOX_LIMIT", "1000", "fake: how many mails the outbox keeps, the newest, at most 1,000,000"},
		{"FAKE_WEBSITE_SCOPE", "false", "fake: login answers with the `sid` cookie and an empty body"},
	}},
	{"Users", []setting{
		{"RANDOM_PWD_GEN", "true", "accounts always get a random password; `false`: only when none is given"},
		{"RANDOM_PWD_LENGTH", "8", "length of random passwords, 8 to 72"},
		{"AUTH_HARD_DELETE", "true", "the state `DELETED` deletes the account; `false`: it blocks the account"},
		{"CUSTOM_USER_ID_KEY", "sub", "property of the provider's user info that holds the account's id"},
		{"USERINFO_ADDITIONAL_PROPERTIES", "", "comma-separated fields of the user that `/userinfo` adds; unset: all; empty: none; `permissions` among them: the permissions of the user's roles too"},
		{"CONFIGURATION_PATH", "", "JSON file `{\"user_id\", \"additionalProperties\"}`: properties of the account that `GET /users/` (the list alone) adds to each user; `user_id` names the user's field with the account's id"},
	}},
	{"Roles and expiration", []setting{
		{"ROND_ENABLED", "false", "grant and revoke the roles of users through Rönd"},
		{"ROND_SERVICE", "rond-service", "name or URL of Rönd, which must run standalone"},
		{"ROND_RESOURCE_TYPE", "", "type of resource that grants and revokes are on, so that a revoke takes no bindings but this service's own; unset: all of the account's, as the reference does"},
		{"TIMER_SERVICE", "", "`embedded`, or name or URL of a Timer Service, which has users blocked when their `expirationDate` comes; unset: `embedded` with the embedded store, else none, and nobody is blocked then"},
		{"TIMER_SERVICE_HEADERS", "", "comma-separated headers of the request that sets an `expirationDate`, which come back with the call when the user expires"},
		{"TIMER_CALLBACK_URL", "", "where a Timer Service over the network reaches this service, such as `http://user-manager`; required then; without `SERVICE_PREFIX`, for what it calls is below `/-/`"},
		{"TIMER_CALLBACK_SECRET", "", "what its calls are signed with, 24 characters or more; required then, the same for all copies of this service"},
		{"TIMERS_CRUD_ENDPOINT", "", "path of the collection that the embedded Timer Service keeps its timers in; embedded store: built in; required with `TIMER_SERVICE=embedded` on a remote one"},
		{"IMPORT_SCHEDULES_EXPIRATION", "false", "imported users are blocked at their `expirationDate` too"},
	}},
	{"Many users", []setting{
		{"USER_IMPORT_MAX_BYTES", "1048576", "largest CSV file of an import; beyond it 413"},
		{"USER_IMPORT_BATCH_SIZE", "250", "rows of an import that are written together"},
		{"USER_IMPORT_CONCURRENCY", "8", "imports that run at once; beyond it 503"},
		{"USERS_BULK_LIMIT", "1000", "most users of one `POST` or `PATCH /users/bulk`, or `DELETE /users/`, and items of one `POST /users/state`; beyond it 400"},
		{"JOBS_CONCURRENCY", "4", "jobs that run at once; the others wait"},
		{"JOBS_MAX_QUEUED", "100", "jobs that may wait; beyond it 503"},
		{"JOBS_MAX_BODY_BYTES", "16777216", "largest body of a request for a job; beyond it 413"},
		{"JOBS_EVENT_STREAMS", "128", "streams of events of jobs that are open at once; beyond it 503"},
		{"JOBS_RETENTION", "24h", "how long a finished job can be asked for"},
		{"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND", "2", "change-password mails a second of all jobs together; when the provider allows fewer, the jobs slow down"},
		{"JOBS_WEBHOOK_URL", "", "where the end of every job is posted that names no `callbackUrl`; its host must be among `WEBHOOK_ALLOWED_HOSTS`"},
		{"WEBHOOK_ALLOWED_HOSTS", "", "comma-separated hosts, or `host:port`, that callbacks may be posted to; unset: none"},
		{"WEBHOOK_SECRET", "", "what callbacks are signed with, as [Standard Webhooks](https://www.standardwebhooks.com) has it: `whsec_` and base64, or any text"},
	}},
	{"Headers", []setting{
		{"USERID_HEADER_KEY", "miauserid", "header with the caller's id"},
		{"GROUPS_HEADER_KEY", "miausergroups", "header with the caller's groups"},
		{"CLIENTTYPE_HEADER_KEY", "client-type", "header with the kind of client"},
		{"BACKOFFICE_HEADER_KEY", "isbackoffice", "header that says that the back office calls"},
		{"USER_PROPERTIES_HEADER_KEY", "miauserproperties", "header with a JSON object about the caller"},
		{"ADDITIONAL_HEADERS_TO_PROXY", "", "comma-separated headers that go upstream besides the platform's own"},
	}},
}
