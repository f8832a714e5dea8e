package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// text returns what is in a file of the repository.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// ofGo are variables that Go itself reads.
var ofGo = []string{"GOMEMLIMIT"}

// accept holds an environment, as a file sets it, against what the service reads.
func accept(t *testing.T, env map[string]string) config {
	t.Helper()
	known := slices.Clone(ofGo)
	for s := range allSettings() {
		known = append(known, s.name)
	}
	for name := range env {
		if !slices.Contains(known, name) {
			t.Errorf("%s is no setting", name)
		}
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("a-key-of-an-application\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env = maps.Clone(env)
	env["API_KEYS_FILE"] = keys // where it is deployed there is one
	cfg, err := loadConfig(environment(env))
	if err != nil {
		t.Errorf("the service does not start so: %v", err)
	}
	return cfg
}

// podSpec is what the tests look at of a Deployment.
type podSpec struct {
	TerminationGracePeriodSeconds int
	InitContainers                []struct {
		Name, RestartPolicy string
		Env                 []struct {
			Name, Value string
			ValueFrom   any
		}
		Ports []struct {
			Name          string
			ContainerPort int
		}
		StartupProbe, LivenessProbe, ReadinessProbe podProbe
		Resources                                   struct {
			Limits map[string]string
		}
		SecurityContext struct {
			AllowPrivilegeEscalation, ReadOnlyRootFilesystem bool
			Capabilities                                     struct{ Drop []string }
		}
		VolumeMounts []struct{ Name, MountPath string }
	}
	SecurityContext struct {
		RunAsNonRoot   bool
		RunAsUser      int
		SeccompProfile struct{ Type string }
	}
}

type podProbe struct {
	TimeoutSeconds int
	HTTPGet        struct{ Path, Port string }
}

// deployment reads the Deployment of a file of several documents.
func deployment(t *testing.T, path string) podSpec {
	t.Helper()
	for decoder := yaml.NewDecoder(strings.NewReader(text(t, path))); ; {
		var read any
		err := decoder.Decode(&read)
		if errors.Is(err, io.EOF) {
			t.Fatalf("%s has no Deployment", path)
		}
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(read) // whose names are as Kubernetes has them
		if err != nil {
			t.Fatal(err)
		}
		var document struct {
			Kind string
			Spec struct {
				Template struct{ Spec podSpec }
			}
		}
		if err := json.Unmarshal(encoded, &document); err == nil && document.Kind == "Deployment" {
			return document.Spec.Template.Spec
		}
	}
}

func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	pod := deployment(t, "examples/kubernetes/sidecar.yaml")
	if len(pod.InitContainers) != 1 || pod.InitContainers[0].RestartPolicy != "Always" {
		t.Fatalf("there is no sidecar: %+v", pod.InitContainers)
	}
	sidecar := pod.InitContainers[0]
	env := map[string]string{}
	for _, variable := range sidecar.Env {
		env[variable.Name] = variable.Value
		if variable.ValueFrom != nil {
			env[variable.Name] = "from-a-secret"
		}
	}
	cfg := accept(t, env)
	if stop := cfg.drain + cfg.http.shutdownTimeout; time.Duration(pod.TerminationGracePeriodSeconds)*time.Second < stop+30*time.Second {
		t.Errorf("the pod has %d s to stop, of which the sidecar alone takes up to %v", pod.TerminationGracePeriodSeconds, stop)
	}
	if limit := sidecar.Resources.Limits["memory"]; limit != "64Mi" || env["GOMEMLIMIT"] != "57MiB" {
		t.Errorf("the memory limit is %s, and GOMEMLIMIT %s", limit, env["GOMEMLIMIT"])
	}
	paths := map[string]bool{}
	for _, route := range (&api{}).statusRoutes() {
		paths[route.path] = route.method == "GET" && route.access == anybody
	}
	for what, probe := range map[string]podProbe{"startup": sidecar.StartupProbe, "liveness": sidecar.LivenessProbe, "readiness": sidecar.ReadinessProbe} {
		if !paths[probe.HTTPGet.Path] || probe.HTTPGet.Port != sidecar.Ports[0].Name {
			t.Errorf("%s asks %+v", what, probe.HTTPGet)
		}
		if what == "readiness" && time.Duration(probe.TimeoutSeconds)*time.Second <= checkTimeout {
			t.Errorf("%s gives up after %d s", what, probe.TimeoutSeconds)
		}
	}
	if port := sidecar.Ports[0].ContainerPort; cfg.port != "3000" || port != 3000 {
		t.Errorf("the service listens on %s, the container says %d", cfg.port, port)
	}
	switch s := sidecar.SecurityContext; {
	case s.AllowPrivilegeEscalation, !s.ReadOnlyRootFilesystem, !slices.Equal(s.Capabilities.Drop, []string{"ALL"}),
		!pod.SecurityContext.RunAsNonRoot, pod.SecurityContext.RunAsUser != 65532, pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault":
		t.Errorf("the sidecar may too much: %+v, %+v", s, pod.SecurityContext)
	}
	var mounted []string
	for _, mount := range sidecar.VolumeMounts {
		mounted = append(mounted, mount.MountPath)
	}
	for _, path := range []string{filepath.Dir(cfg.store.path), "/tmp", filepath.Dir(env["API_KEYS_FILE"])} {
		if !slices.Contains(mounted, path) {
			t.Errorf("nothing is mounted at %s", path)
		}
	}
}

const unitFile = "examples/systemd/user-manager.service"

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit, env := map[string]string{}, map[string]string{}
	for line := range strings.Lines(text(t, unitFile)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		unit[name] = value
		if name == "Environment" {
			for _, pair := range strings.Fields(value) {
				variable, value, _ := strings.Cut(pair, "=")
				env[variable] = value
			}
		}
	}
	cfg := accept(t, env)
	stop, err := time.ParseDuration(unit["TimeoutStopSec"] + "s")
	if longest := 10*time.Second + cfg.http.shutdownTimeout; err != nil || stop <= longest || cfg.drain > 10*time.Second {
		t.Errorf("it is killed after %v, and may take %v", stop, longest)
	}
	for name, want := range map[string]string{"DynamicUser": "yes", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "Restart": "always", "StateDirectory": "user-manager"} {
		if got, set := unit[name]; !set || got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

// TestSystemdVerifies has systemd itself read the unit, and rate it.
func TestSystemdVerifies(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	self, err := os.Executable() // /usr/local/bin/user-manager is not installed here
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "user-manager.service")
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(text(t, unitFile), "/usr/local/bin/user-manager", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", copied}, {"security", "--no-pager", "--offline=true", "--threshold=15", copied}} { // 1.5 of 10
		if out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestDockerfile holds the image's environment against the settings, and what it is built
// with against what releases are.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	file := text(t, "Dockerfile")
	_, last, found := strings.Cut(file, "\nFROM scratch\n")
	if !found {
		t.Fatal("the image has something beside the service")
	}
	env := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^ENV (\w+)=(.*)$`).FindAllStringSubmatch(last, -1) {
		env[line[1]] = line[2]
	}
	env["ALLOW_FAKE_PROVIDER"] = "true" // it says nothing of the provider
	if cfg := accept(t, env); cfg.store.path != "/data/user-manager.db" {
		t.Errorf("the store is at %s", cfg.store.path)
	}
	if !strings.Contains(last, "\nUSER 65532:65532\n") || !strings.Contains(last, "\nENTRYPOINT [\"/user-manager\"]\n") {
		t.Errorf("user or command are others:\n%s", last)
	}
	built := regexp.MustCompile(`FROM --platform=\$BUILDPLATFORM golang:([0-9.]+)[ @]`).FindStringSubmatch(file)
	released := regexp.MustCompile(`GO_VERSION: ([0-9.]+)\n`).FindStringSubmatch(text(t, ".github/workflows/release.yml"))
	if built == nil || released == nil || built[1] != released[1] {
		t.Errorf("the image is built with Go %q, the archives with %q", built, released)
	}
}

// TestDockerignore: all that the service is built of is there for the image.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	const list = `{{if not .Standard}}{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$p}}/{{.}}{{"\n"}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", list, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	needed := []string{"go.mod", "go.sum", ".ci/build", ".ci/image-root"}
	for line := range strings.Lines(string(out)) {
		if name, ours := strings.CutPrefix(strings.TrimSpace(line), "user-manager/"); ours {
			needed = append(needed, name)
		}
	}
	if len(needed) < 100 {
		t.Fatalf("the service is built of %d files alone", len(needed))
	}
	for pattern := range strings.Lines(text(t, ".dockerignore")) {
		pattern = strings.TrimSpace(pattern)
		anywhere := strings.HasPrefix(pattern, "**/")
		for _, name := range needed {
			parts := strings.Split(name, "/")
			if !anywhere {
				parts = parts[:1]
			}
			for _, part := range parts {
				if leftOut, _ := path.Match(strings.TrimPrefix(pattern, "**/"), part); leftOut {
					t.Errorf("%q leaves out %s", pattern, name)
				}
			}
		}
	}
}

// TestWorkflows: what others wrote is named by its content, and what is ours is there.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(files) != 2 {
		t.Fatalf("workflows: %v, %v", files, err)
	}
	pinned := regexp.MustCompile(`^[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[0-9.]+$`)
	for _, file := range files {
		content := text(t, file)
		var document any
		if err := yaml.Unmarshal([]byte(content), &document); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, uses := range regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(content, -1) {
			if !pinned.MatchString(uses[1]) {
				t.Errorf("%s: %s is not pinned by its commit", file, uses[1])
			}
		}
		for _, script := range regexp.MustCompile(`\.ci/[a-z-]+`).FindAllString(content, -1) {
			if info, err := os.Stat(script); err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("%s runs %s: %v", file, script, err)
			}
		}
	}
}
