package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// exposed are the names by which queries may ask for what m counts.
func exposed(t *testing.T, m *Metrics) map[string]bool {
	t.Helper()
	gathered, err := m.gatherer(t.Context()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"up": true} // Prometheus's own
	for _, family := range gathered {
		names[family.GetName()] = true
		if metric := family.GetMetric()[0]; metric.GetHistogram() != nil {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				names[family.GetName()+suffix] = true
			}
		}
	}
	return names
}

// nameForm is a name in a query: a word with an underscore, or "up", in front of a selector.
var nameForm = regexp.MustCompile(`\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|up)\b(?:\{|\[)`)

// askedFor are the names that queries ask for.
func askedFor(queries []string) []string {
	var names []string
	for _, query := range queries {
		for _, found := range nameForm.FindAllStringSubmatch(query, -1) {
			names = append(names, found[1])
		}
	}
	return names
}

// dashboardQueries are those of the dashboard; every panel has a unit, and its place.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../examples/grafana/user-manager.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID          int
			Title, Type string
			FieldConfig struct{ Defaults struct{ Unit string } }
			Targets     []struct {
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var queries []string
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] || panel.Type != "row" && (panel.FieldConfig.Defaults.Unit == "" || len(panel.Targets) == 0) {
			t.Errorf("panel %d %q: its number is taken, or it has no unit or query", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %q", panel.Title, target.Datasource.UID)
			}
			queries = append(queries, target.Expr)
		}
	}
	return queries
}

func alertQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../examples/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			queries = append(queries, rule.Expr)
		}
	}
	return queries
}

// TestExamples: the dashboard and the alerts ask for what there is, and all that is our own is
// on the dashboard.
func TestExamples(t *testing.T) {
	t.Parallel()
	m := everything()
	names := exposed(t, m)
	dashboard, alerts := dashboardQueries(t), alertQueries(t)
	for _, query := range slices.Concat(dashboard, alerts) {
		found := askedFor([]string{query})
		if len(found) == 0 {
			t.Errorf("the query %s asks for nothing", query)
		}
		for _, name := range found {
			if !names[name] {
				t.Errorf("there is no %s, for which %s asks", name, query)
			}
		}
	}
	shown := strings.Join(askedFor(dashboard), " ")
	for _, family := range families(t, m) {
		if !strings.Contains(shown, family) {
			t.Errorf("%s is not on the dashboard", family)
		}
	}
}
