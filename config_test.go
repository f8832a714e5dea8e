package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/users"
)

// environment makes a lookup of a map.
func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

func TestConfigOfAnEmptyEnvironment(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	type summary struct {
		Host, Port, Prefix, Store, Users, Groups, Roles, Path, Provider string
		Random, HardDelete, CRUD                                        bool
		Info                                                            users.UserInfoFields
		Demo                                                            int
	}
	got := summary{
		cfg.host, cfg.port, cfg.prefix, cfg.store.url, cfg.store.users, cfg.store.groups, cfg.store.roles, cfg.store.path, cfg.provider,
		cfg.randomPassword, cfg.hardDelete, cfg.servesCRUD(), cfg.info, len(cfg.store.firstGroups),
	}
	want := summary{
		"127.0.0.1", "3000", "", "", "/users", "/ums-config", "/roles", "user-manager.db", "fake",
		true, true, true, users.UserInfoFields{All: true}, 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestConfigNamesEveryWrongVariable(t *testing.T) {
	t.Parallel()
	_, err := loadConfig(environment(map[string]string{
		"HTTP_HOST":            "0.0.0.0",
		"HTTP_PORT":            "http",
		"SERVICE_PREFIX":       "/Up",
		"LOG_LEVEL":            "loud",
		"HTTP_MAX_BODY_BYTES":  "-1",
		"UPSTREAM_TIMEOUT":     "soon",
		"RANDOM_PWD_GEN":       "maybe",
		"RANDOM_PWD_LENGTH":    "7",
		"EMBEDDED_SYNC":        "never",
		"USER_GROUPS_FILE":     "no-such-file.json",
		"CONFIGURATION_PATH":   "no-such-file.json",
		"ROND_ENABLED":         "always",
		"TIMER_SERVICE":        "timer-service",
		"EMBEDDED_CRUD_EXPOSE": "2",

		"TIMER_SERVICE_HEADERS":       "miauserid,x tenant",
		"IMPORT_SCHEDULES_EXPIRATION": "1h",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{
		"HTTP_HOST: the fake provider listens on loopback only, unless ALLOW_FAKE_PROVIDER=true",
		`HTTP_PORT: must be a number from 0 to 65535, not "http"`,
		`SERVICE_PREFIX: must be like /word`,
		`LOG_LEVEL: must be one of error, warn, info, debug, trace, silent, not "loud"`,
		"HTTP_MAX_BODY_BYTES: must be a number",
		`UPSTREAM_TIMEOUT: must be a duration such as 10s, not "soon"`,
		`RANDOM_PWD_GEN: must be true or false, not "maybe"`,
		"RANDOM_PWD_LENGTH: must be a number from 8 to 72",
		`EMBEDDED_SYNC: must be one of full, normal, not "never"`,
		"USER_GROUPS_FILE: open no-such-file.json",
		"CONFIGURATION_PATH: open no-such-file.json",
		`ROND_ENABLED: must be true or false, not "always"`,
		"TIMER_CALLBACK_URL: is required with a Timer Service over the network",
		"TIMER_CALLBACK_SECRET: is required with a Timer Service over the network",
		`TIMER_SERVICE_HEADERS: must be names of headers, which "x tenant" is not`,
		`IMPORT_SCHEDULES_EXPIRATION: must be true or false, not "1h"`,
		`EMBEDDED_CRUD_EXPOSE: must be true or false, not "2"`,
		"HTTP_HOST: others than this machine reach the service there: set API_KEYS",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not say %q:\n%v", name, err)
		}
	}
}

func TestConfigOfTheStore(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		env     map[string]string
		url     string
		problem string
	}{
		"nothing set":               {nil, "", ""},
		"users endpoint alone":      {map[string]string{"USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}, "http://crud-service", ""},
		"host name":                 {map[string]string{"CRUD_SERVICE": "crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}, "http://crud", ""},
		"URL":                       {map[string]string{"CRUD_SERVICE": "https://crud:8443/x", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}, "https://crud:8443/x", ""},
		"embedded, with endpoints":  {map[string]string{"CRUD_SERVICE": "embedded", "USERS_CRUD_ENDPOINT": "/people"}, "", ""},
		"remote, without endpoints": {map[string]string{"CRUD_SERVICE": "crud"}, "http://crud", "USERS_CRUD_ENDPOINT: is required"},
		"no URL that HTTP knows":    {map[string]string{"CRUD_SERVICE": "ftp://crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}, "ftp://crud", "CRUD_SERVICE: must be"},
		"groups file, remote store": {map[string]string{"USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c", "USER_GROUPS_FILE": "x.json"}, "http://crud-service", "USER_GROUPS_FILE: is for the embedded store only"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadConfig(environment(test.env))
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Fatalf("loadConfig(%v) error = %v, want one with %q", test.env, err, test.problem)
			}
			if cfg.store.url != test.url {
				t.Errorf("loadConfig(%v) store = %q, want %q", test.env, cfg.store.url, test.url)
			}
		})
	}
}

func TestConfigOfUserInfo(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		env  map[string]string
		want users.UserInfoFields
	}{
		"unset: all":   {nil, users.UserInfoFields{All: true}},
		"empty: none":  {map[string]string{"USERINFO_ADDITIONAL_PROPERTIES": ""}, users.UserInfoFields{}},
		"list: listed": {map[string]string{"USERINFO_ADDITIONAL_PROPERTIES": "email, name,"}, users.UserInfoFields{Names: []string{"email", "name"}}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadConfig(environment(test.env))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, cfg.info); diff != "" {
				t.Errorf("info of %v (-want +got):\n%s", test.env, diff)
			}
		})
	}
}

func TestConfigOfTheProvider(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing set": {nil, "fake"},
		"a service":   {map[string]string{"AUTH_SERVICE": "auth0-client"}, "auth0Client"},
		"a module": {map[string]string{"AUTH_MODULE": "auth0", "AUTH_SERVICE": "auth0-client", "AUTH0_DOMAIN": "example.eu.auth0.com",
			"AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": "secret"}, "auth0"},
		"fake beyond loopback":  {map[string]string{"HTTP_HOST": "0.0.0.0", "ALLOW_UNAUTHENTICATED": "true", "ALLOW_FAKE_PROVIDER": "true"}, "fake"},
		"fake on IPv6 loopback": {map[string]string{"HTTP_HOST": "::1"}, "fake"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadConfig(environment(test.env))
			if cfg.provider != test.want || err != nil {
				t.Errorf("provider of %v = %q, %v; want %q", test.env, cfg.provider, err, test.want)
			}
		})
	}
}

func TestWhereTheEmbeddedStoreIsServed(t *testing.T) {
	t.Parallel()
	remote := map[string]string{"USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}
	elsewhere := func(host, expose string) map[string]string {
		return map[string]string{"HTTP_HOST": host, "ALLOW_FAKE_PROVIDER": "true", "ALLOW_UNAUTHENTICATED": "true", "EMBEDDED_CRUD_EXPOSE": expose}
	}
	for what, test := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"on loopback":                {nil, true},
		"elsewhere":                  {elsewhere("0.0.0.0", "false"), false},
		"elsewhere, when told to":    {elsewhere("0.0.0.0", "true"), true},
		"a store over the network":   {remote, false},
		"a name that is no loopback": {elsewhere("example.com", "false"), false},
	} {
		cfg, err := loadConfig(environment(test.env))
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.servesCRUD(); got != test.want {
			t.Errorf("%s: /crud/ is served: %v, want %v", what, got, test.want)
		}
	}
}

func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ text, problem string }{
		"both keys":    {`{"user_id": "authUserId", "additionalProperties": ["last_login"]}`, ""},
		"a key more":   {`{"user_id": "authUserId", "additionalProperties": [], "x": 1}`, `unknown field "x"`},
		"no user_id":   {`{"additionalProperties": []}`, "user_id is missing"},
		"no list":      {`{"user_id": "authUserId"}`, "additionalProperties is missing"},
		"no JSON":      {`user_id: authUserId`, "invalid character"},
		"a wrong type": {`{"user_id": 5, "additionalProperties": []}`, "user_id"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "configuration.json")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(environment(map[string]string{"CONFIGURATION_PATH": path}))
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("loadConfig of %s: error %v, want one with %q", test.text, err, test.problem)
			}
		})
	}
}

func TestGroupsFileWithAMistake(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ text, problem string }{
		"no array":           {`{}`, "must be a JSON array of user groups: body: must be an array, not object"},
		"no label":           {`[{"userGroup": "a", "crudSchema": {}}]`, "group 1: label: is required"},
		"no schema":          {`[{"userGroup": "a", "label": "A"}]`, `the crudSchema of group "a" does not compile: it is not an object`},
		"null":               {`null`, "must be a JSON array of user groups, not null"},
		"something more":     {`[] []`, "something follows the JSON value"},
		"a group twice":      {`[{"userGroup": "a", "label": "A", "crudSchema": {}}, {"userGroup": "a", "label": "B", "crudSchema": {}}]`, `group 2: userGroup: "a" is there twice`},
		"a field too many":   {`[{"userGroup": "a", "label": "A", "crudSchema": {}, "foo": 1}]`, "group 1: foo: is not a field of a user group"},
		"a flag that is not": {`[{"userGroup": "a", "label": "A", "crudSchema": {}, "authUserCreationDisabled": "yes"}]`, "group 1: authUserCreationDisabled: must be a boolean"},
		"a schema not valid": {`[{"userGroup": "a", "label": "A", "crudSchema": {"type": "strin"}}]`, `type strin is not one of`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := readGroups(strings.NewReader(test.text))
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("readGroups(%s) = %v, want %q", test.text, err, test.problem)
			}
		})
	}
}

// TestCollectionsDeclaredByFiles: the users collection of a definition file takes the
// place of the open one, and refuses what it does not declare, whatever a group's
// schema allows.
func TestCollectionsDeclaredByFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	standard := `{"name": "_id", "type": "ObjectId", "required": true}, {"name": "__STATE__", "type": "string", "required": true},
		{"name": "creatorId", "type": "string", "required": true}, {"name": "createdAt", "type": "Date", "required": true},
		{"name": "updaterId", "type": "string", "required": true}, {"name": "updatedAt", "type": "Date", "required": true}`
	definition := `{"name": "users", "endpointBasePath": "/users", "defaultState": "DRAFT", "fields": [` + standard + `,
		{"name": "userGroup", "type": "string", "required": true}, {"name": "authUserId", "type": "string", "required": false}, {"name": "name", "type": "string", "required": false},
		{"name": "username", "type": "string", "required": false}, {"name": "email", "type": "string", "required": false}],
		"indexes": [{"name": "_id", "type": "normal", "unique": true, "fields": [{"name": "_id", "order": 1}]},
			{"name": "email", "type": "normal", "unique": true, "fields": [{"name": "email", "order": 1}]}]}`
	file := filepath.Join(folder, "users.json")
	if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"COLLECTION_DEFINITION_FOLDER": folder}
	t.Run("served", conversation{env: env, steps: []exchange{
		created, linked, login(200, tokens), // PUBLIC, although the default is DRAFT
		on400(noMail, `{"userGroup":"customers","email":"bob@example.com","newsletter":true}`,
			`body must NOT have additional properties. Property "newsletter" is not defined in validation schema`),
		{request: "GET /users/count", status: 200, want: "1"},
	}}.run)
	t.Run("wrong", func(t *testing.T) {
		t.Parallel()
		wrong := t.TempDir()
		if err := os.WriteFile(filepath.Join(wrong, "people.json"), []byte(strings.Replace(definition, `"type": "Date"`, `"type": "Day"`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(environment(map[string]string{"COLLECTION_DEFINITION_FOLDER": wrong, "HTTP_PORT": "x"}))
		for _, want := range []string{"COLLECTION_DEFINITION_FOLDER: people.json /fields/3/type", "HTTP_PORT"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("loadConfig = %v, want %q", err, want)
			}
		}
	})
}
