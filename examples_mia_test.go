package main

import (
	"bufio"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/embedded"
)

const platformExample = "examples/mia-platform/"

// referenceSettings are those of the reference service.
var referenceSettings = strings.Fields(`AUTH_MODULE AUTH_SERVICE AUTH_CONNECTION CRUD_SERVICE USERS_CRUD_ENDPOINT UMS_CONFIG_CRUD_ENDPOINT
	ROND_ENABLED ROND_SERVICE ROLES_CRUD_ENDPOINT TIMER_SERVICE TIMER_SERVICE_HEADERS MONGODB_URL JOBS_COLLECTION_NAME
	RANDOM_PWD_GEN RANDOM_PWD_LENGTH AUTH_HARD_DELETE CUSTOM_USER_ID_KEY USERINFO_ADDITIONAL_PROPERTIES CONFIG_PATH CONFIGURATION_PATH
	USER_IMPORT_BATCH_SIZE AUTH0_JOB_POLLING_INTERVAL AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND
	USERID_HEADER_KEY GROUPS_HEADER_KEY CLIENTTYPE_HEADER_KEY BACKOFFICE_HEADER_KEY USER_PROPERTIES_HEADER_KEY
	MICROSERVICE_GATEWAY_SERVICE_NAME ADDITIONAL_HEADERS_TO_PROXY TRUSTED_PROXIES HTTP_PORT LOG_LEVEL SERVICE_PREFIX EXPOSE_METRICS`)

// A platformEnvironment is the example's environment file. Of commented lines, which may
// be taken up, it tells those under "No longer looked at" apart. The secret is made up.
type platformEnvironment struct{ set, commented, unread map[string]string }

var (
	envLine    = regexp.MustCompile(`^(#?)([A-Z][A-Z0-9_]*)=(.*)$`)
	envComment = regexp.MustCompile(`^(# .*|#|)$`)
)

func readPlatformEnvironment(t *testing.T) platformEnvironment {
	t.Helper()
	file, err := os.Open(platformExample + "ums.env")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env := platformEnvironment{map[string]string{}, map[string]string{}, map[string]string{}}
	commented := env.commented
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		found := envLine.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "# --- No longer looked at"):
			commented = env.unread
		case found == nil && !envComment.MatchString(line):
			t.Errorf("a line that is neither a variable nor a comment: %s", line)
		case found == nil:
		case found[1] == "":
			env.set[found[2]] = found[3]
		default:
			commented[found[2]] = found[3]
		}
	}
	if secret, ok := env.set["TIMER_CALLBACK_SECRET"]; !ok || secret != "" {
		t.Error("TIMER_CALLBACK_SECRET is not left to be made up")
	}
	env.set["TIMER_CALLBACK_SECRET"] = "a secret that somebody made up"
	return env
}

// with returns the variables that are set, and some more.
func (env platformEnvironment) with(more map[string]string) map[string]string {
	vars := maps.Clone(env.set)
	maps.Copy(vars, more)
	return vars
}

func TestPlatformEnvironment(t *testing.T) {
	t.Parallel()
	env := readPlatformEnvironment(t)
	t.Run("names what the reference has", func(t *testing.T) {
		for _, name := range referenceSettings {
			_, set := env.set[name]
			_, commented := env.commented[name]
			_, unread := env.unread[name]
			if !set && !commented && !unread {
				t.Errorf("%s is missing", name)
			}
		}
	})
	t.Run("says truly what is looked at", func(t *testing.T) {
		read := map[string]bool{}
		for s := range allSettings() {
			read[s.name] = true
		}
		for name := range env.with(env.commented) {
			if !read[name] {
				t.Errorf("%s is not a setting", name)
			}
		}
		for name := range env.unread {
			if read[name] {
				t.Errorf("%s is a setting", name)
			}
		}
	})
	t.Run("on trial", func(t *testing.T) {
		vars := env.with(map[string]string{"AUTH_MODULE": "fake", "ALLOW_FAKE_PROVIDER": env.commented["ALLOW_FAKE_PROVIDER"]})
		if _, err := loadConfig(environment(vars)); err != nil {
			t.Error(err)
		}
	})
	t.Run("as it stands", func(t *testing.T) {
		cfg, err := loadConfig(environment(env.set))
		if err != nil {
			t.Fatal(err)
		}
		if cfg.provider != "auth0Client" {
			t.Errorf("provider %q, want auth0Client", cfg.provider)
		}
		got := [...]string{cfg.store.url, cfg.store.users, cfg.store.groups, cfg.store.roles, cfg.store.journal, cfg.store.jobs}
		want := [...]string{"http://crud-service", "/users", "/ums-config", "/roles", "/ums-journal", "/ums-jobs"}
		if got != want {
			t.Errorf("store %q, want %q", got, want)
		}
		if cfg.rond.url != "http://rond-service" || cfg.timers.url != "http://timer-service" {
			t.Errorf("Rönd at %q and Timer Service at %q", cfg.rond.url, cfg.timers.url)
		}
	})
	t.Run("has the standard values", func(t *testing.T) {
		ours := []string{"HTTP_HOST", "ALLOW_UNAUTHENTICATED", "TRUSTED_PROXIES", "CRUD_SERVICE", "USERS_CRUD_ENDPOINT", "UMS_CONFIG_CRUD_ENDPOINT", "ROLES_CRUD_ENDPOINT",
			"JOURNAL_CRUD_ENDPOINT", "JOBS_CRUD_ENDPOINT",
			"ROND_ENABLED", "TIMER_SERVICE", "TIMER_CALLBACK_URL", "TIMER_CALLBACK_SECRET",
			"AUTH_MODULE", "AUTH_SERVICE", "AUTH_CONNECTION", "USERINFO_ADDITIONAL_PROPERTIES", "ADDITIONAL_HEADERS_TO_PROXY"}
		for name, value := range env.set {
			if !slices.Contains(ours, name) && value != standard(name) {
				t.Errorf("%s=%s, want %s", name, value, standard(name))
			}
		}
	})
}

// declaredByFile are the collections of the example's files, by path.
func declaredByFile(t *testing.T) map[string]embedded.Definition {
	t.Helper()
	defs, err := embedded.LoadDefinitions(platformExample + "collections")
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]embedded.Definition{}
	for _, def := range defs {
		byPath[def.Path] = def
	}
	return byPath
}

// TestPlatformDefinitions: the files declare what the embedded store declares by itself.
func TestPlatformDefinitions(t *testing.T) {
	t.Parallel()
	byPath := declaredByFile(t)
	for _, ours := range []embedded.Definition{
		embedded.Users("/users"), embedded.Groups("/ums-config"), embedded.Roles("/roles"), embedded.Journal("/ums-journal"), embedded.Jobs("/ums-jobs"), embedded.Timers("/ums-timers"),
		embedded.Timers("/ums-timers"),
	} {
		t.Run(ours.Name, func(t *testing.T) {
			def := byPath[ours.Path]
			if def.DefaultState != ours.DefaultState {
				t.Errorf("default state %q, want %q", def.DefaultState, ours.DefaultState)
			}
			fields := ownFields(def)
			if ours.Open { // the groups' fields follow
				fields = fields[:min(len(fields), len(ours.Fields))]
			}
			if diff := cmp.Diff(ours.Fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(ownIndexes(ours), ownIndexes(def)); diff != "" {
				t.Errorf("indexes (-want +got):\n%s", diff)
			}
		})
	}
	if len(byPath) != 6 {
		t.Errorf("%d files, want 6", len(byPath))
	}
}

// standardNames are the fields and indexes that every collection has.
var standardNames = []string{"_id", "__STATE__", "creatorId", "createdAt", "updaterId", "updatedAt", "stateIndex"}

func ownFields(def embedded.Definition) []embedded.Field {
	return slices.DeleteFunc(slices.Clone(def.Fields), func(f embedded.Field) bool { return slices.Contains(standardNames, f.Name) })
}

func ownIndexes(def embedded.Definition) []embedded.Index {
	return slices.DeleteFunc(slices.Clone(def.Indexes), func(ix embedded.Index) bool { return slices.Contains(standardNames, ix.Name) })
}

func platformGroups(t *testing.T) []crud.Document {
	t.Helper()
	file, err := os.Open(platformExample + "user-groups.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	groups, err := readGroups(file)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// TestPlatformGroups: the users collection, which takes no other fields, has those of
// every group, and none beside.
func TestPlatformGroups(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for _, group := range platformGroups(t) {
		properties := group["crudSchema"].(crud.Document)["properties"].(crud.Document)
		for name := range properties {
			wanted[name] = true
		}
	}
	declared := map[string]bool{}
	for _, f := range ownFields(declaredByFile(t)["/users"])[len(embedded.Users("").Fields):] {
		declared[f.Name] = true
	}
	if diff := cmp.Diff(wanted, declared); diff != "" {
		t.Errorf("fields of the groups (-) and of the users collection (+):\n%s", diff)
	}
}
