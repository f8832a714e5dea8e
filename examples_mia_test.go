package main

import (
	"bufio"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
// be taken up, it tells those under "No longer looked at" apart.
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
	return env
}

// with returns the variables that are set, and some more.
func (env platformEnvironment) with(more map[string]string) map[string]string {
	vars := maps.Clone(env.set)
	maps.Copy(vars, more)
	return vars
}

// onTrial is what the example lacks to start in this version.
var onTrial = map[string]string{"ALLOW_FAKE_PROVIDER": "true"}

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
		for _, s := range settings {
			read[s.name] = true
		}
		for _, s := range later {
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
	t.Run("as it stands", func(t *testing.T) {
		_, err := loadConfig(environment(env.set))
		if err == nil || err.Error() != "HTTP_HOST: the fake provider listens on loopback only, unless ALLOW_FAKE_PROVIDER=true" {
			t.Errorf("loadConfig = %v, want the fake provider refused and nothing else", err)
		}
	})
	for _, name := range []string{"AUTH_MODULE", "AUTH_SERVICE", "ROND_ENABLED", "TIMER_SERVICE"} {
		t.Run(name+" stops the start", func(t *testing.T) {
			more := maps.Clone(onTrial)
			more[name] = env.commented[name]
			if _, err := loadConfig(environment(env.with(more))); err == nil {
				t.Error("loadConfig gives no error: the example says otherwise")
			}
		})
	}
	t.Run("on trial", func(t *testing.T) {
		cfg, err := loadConfig(environment(env.with(onTrial)))
		if err != nil {
			t.Fatal(err)
		}
		got := [...]string{cfg.store.url, cfg.store.users, cfg.store.groups, cfg.store.roles, cfg.store.journal, cfg.store.jobs}
		want := [...]string{"http://crud-service", "/users", "/ums-config", "/roles", "/ums-journal", "/ums-jobs"}
		if got != want {
			t.Errorf("store %q, want %q", got, want)
		}
	})
	t.Run("has the standard values", func(t *testing.T) {
		ours := []string{"HTTP_HOST", "CRUD_SERVICE", "USERS_CRUD_ENDPOINT", "UMS_CONFIG_CRUD_ENDPOINT", "ROLES_CRUD_ENDPOINT",
			"JOURNAL_CRUD_ENDPOINT", "JOBS_CRUD_ENDPOINT", "USERINFO_ADDITIONAL_PROPERTIES", "ADDITIONAL_HEADERS_TO_PROXY"}
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
		embedded.Users("/users"), embedded.Groups("/ums-config"), embedded.Roles("/roles"), embedded.Journal("/ums-journal"), embedded.Jobs("/ums-jobs"),
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
	if len(byPath) != 5 {
		t.Errorf("%d files, want 5", len(byPath))
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

// TestPlatformGroups: the users collection, which takes no other fields, has those of
// every group, and none beside.
func TestPlatformGroups(t *testing.T) {
	t.Parallel()
	file, err := os.Open(platformExample + "user-groups.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	groups, err := readGroups(file)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, group := range groups {
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

// TestPlatformWalk runs the service as the example configures it, on the embedded store
// with the example's collections.
func TestPlatformWalk(t *testing.T) {
	t.Parallel()
	env := readPlatformEnvironment(t).with(map[string]string{
		"CRUD_SERVICE": "embedded", "COLLECTION_DEFINITION_FOLDER": platformExample + "collections", "USER_GROUPS_FILE": platformExample + "user-groups.json",
		"ALLOW_FAKE_PROVIDER": "true", "RANDOM_PWD_GEN": "false",
	})
	const rows = "userGroup;username;email;name;surname;rooms;specialties;address.city\n" +
		"customer;;bo@example.com;Bo;Berg;;;Oslo\n" +
		"doctor;dee;dee@example.com;;Dunn;3;[cardiology, surgery];\n"
	imported := exchange{request: "PATCH /users/import", body: multipartBody(t, []string{`delimiter=";"`, "file"}, []byte(rows)), header: multipartType,
		status: 200, want: `{"updated":[],"inserted":["<id3>","<id4>"],"invalid":[]}`}
	ann := `{"userGroup":"customer","username":"ann","email":"ann@example.com","password":"correct horse","name":"Ann","surname":"Lee","birthDate":"1990-04-01","address":{"city":"Rome"}}`
	steps := conversationOf(
		exchange{request: noMail, body: ann, status: 200, want: aCreated},
		on400(noMail, `{"userGroup":"customer","email":"x@example.com","name":"X","surname":"Y","rooms":2}`,
			`the user does not match the schema of group "customer": rooms: is not declared by the schema`),
		exchange{request: "GET /users/?_p=email,authUserId", status: 200, want: `[{"_id":"<id1>","email":"ann@example.com","authUserId":"fake|<id2>"}]`},
		login(200, tokens),
		exchange{request: "PATCH /users/<id1>", body: `{"name":"Anna","newsletter":true}`, status: 200, want: "*"},
		imported,
		activates("<id3>", "<id4>"), shows("<job1>", summary(0, 0, 2)),
		exchange{request: "POST /users/<id1>/soft-delete", status: 204},
		exchange{request: "DELETE /users/<id1>", status: 204},
		exchange{request: "GET /users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", status: 200, want: "2"},
		exchange{request: "GET /crud/ums-journal/", status: 404, want: "*"},
		exchange{request: "GET /-/check-up", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev","unsettledOperations":0}`},
	).steps
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, env)
		for _, step := range steps {
			h.checkExchange(step)
		}
		h.checkPairing()
		if left := h.all("/ums-journal"); len(left) != 0 {
			t.Errorf("the journal still has %v", left)
		}
		if left := h.all("/ums-jobs"); len(left) != 2 { // the job and its part
			t.Errorf("the jobs collection has %v", left)
		}
	})
}

// checkExchange makes a request and compares its answer, as JSON; or lets a minute pass.
func (h *harness) checkExchange(e exchange) {
	h.t.Helper()
	if e == passes {
		h.pass(time.Minute)
		return
	}
	method, path, _ := strings.Cut(e.request, " ")
	var header []string
	if e.header != "" {
		header = append(header, e.header)
	}
	got := h.call(method, path, e.body, header...)
	if got.status != e.status || e.want != "*" && !sameJSON(got.body, e.want) {
		h.t.Errorf("%s %s\n got %d %s\nwant %d %s", e.request, e.body, got.status, got.body, e.status, e.want)
	}
}
