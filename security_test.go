package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources parses the Go files of the tree, by path: the tests, or what is shipped.
func sources(t *testing.T, tests bool) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests:
			return nil
		case !tests && (strings.HasPrefix(path, "internal/") || strings.Contains(path, "test/") || strings.Contains(path, "/tenant/")):
			return nil
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestSecretsAreNotComparedByTheWay: nothing that is shipped compares a secret's text in a
// time that tells how much of it is right.
func TestSecretsAreNotComparedByTheWay(t *testing.T) {
	reveals := func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		return ok && method.Sel.Name == "Reveal"
	}
	for path, file := range sources(t, false) {
		ast.Inspect(file, func(n ast.Node) bool {
			compared, ok := n.(*ast.BinaryExpr)
			if !ok || compared.Op != token.EQL && compared.Op != token.NEQ {
				return true
			}
			for x, y := range map[ast.Expr]ast.Expr{compared.X: compared.Y, compared.Y: compared.X} {
				if text, ok := y.(*ast.BasicLit); reveals(x) && !(ok && text.Value == `""`) {
					t.Errorf("%s compares the text of a secret", path)
				}
			}
			return true
		})
	}
	for path, what := range map[string]string{"keys.go": "subtle.ConstantTimeCompare", "timer/sign.go": "hmac.Equal", "providers/fake/sessions.go": "hashToken"} {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), what) {
			t.Errorf("%s does not use %s (%v)", path, what, err)
		}
	}
}

// TestUpstreamsLeadNowhere: no client follows a redirect, with the credentials it has, to
// where an upstream says.
func TestUpstreamsLeadNowhere(t *testing.T) {
	for path, file := range sources(t, false) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if isHTTP(n.Type, "Client") && !slices.ContainsFunc(n.Elts, setsCheckRedirect) {
					t.Errorf("%s has a client that follows redirects", path)
				}
			case *ast.SelectorExpr:
				if isHTTP(n, "Get", "Post", "PostForm", "Head", "DefaultClient") {
					t.Errorf("%s uses http.%s, which follows redirects", path, n.Sel.Name)
				}
			}
			return true
		})
	}
}

func isHTTP(e ast.Expr, names ...string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || !slices.Contains(names, selector.Sel.Name) {
		return false
	}
	from, ok := selector.X.(*ast.Ident)
	return ok && from.Name == "http"
}

func setsCheckRedirect(e ast.Expr) bool {
	pair, ok := e.(*ast.KeyValueExpr)
	if !ok {
		return false
	}
	name, ok := pair.Key.(*ast.Ident)
	return ok && name.Name == "CheckRedirect"
}

// TestSecurityPolicy holds SECURITY.md against the tree: the tests that it names exist, in
// the package that it says, and no setting that is a secret is left out.
func TestSecurityPolicy(t *testing.T) {
	read, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	there := map[string]bool{}
	for path, file := range sources(t, true) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				there[filepath.ToSlash(filepath.Dir(path))+" "+f.Name.Name] = true
			}
		}
	}
	named := regexp.MustCompile("`(?:([a-z0-9/]+) )?(Test[A-Z]\\w+)`").FindAllStringSubmatch(text, -1)
	if len(named) < 30 {
		t.Errorf("SECURITY.md names %d tests, which is too few to be all", len(named))
	}
	for _, name := range named {
		in := name[1]
		if in == "" {
			in = "."
		}
		if !there[in+" "+name[2]] {
			t.Errorf("there is no test %s in %s", name[2], in)
		}
	}
	secrets := map[string]bool{}
	for s := range allSettings() {
		if strings.HasSuffix(s.name, "_SECRET") || strings.HasPrefix(s.name, "API_KEYS") || strings.HasSuffix(s.name, "_KEY_FILE") {
			secrets[s.name] = true
		}
	}
	for name := range maps.Keys(secrets) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("SECURITY.md does not say what %s opens", name)
		}
	}
	if len(secrets) < 7 {
		t.Errorf("%d settings are secrets: %v", len(secrets), secrets)
	}
}

// TestLogsOfTestsAreSearched: no test throws away what it has logged, unsearched.
func TestLogsOfTestsAreSearched(t *testing.T) {
	for path, file := range sources(t, true) {
		if strings.HasSuffix(path, "bench_test.go") || strings.HasPrefix(path, "internal/") {
			continue // those are for speed; the soak has a search of its own
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if thrown, ok := n.(*ast.SelectorExpr); ok && thrown.Sel.Name == "DiscardHandler" {
				t.Errorf("%s throws a log away: logtest has one that is searched", path)
			}
			return true
		})
	}
}
