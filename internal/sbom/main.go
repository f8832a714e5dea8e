// Sbom writes what a binary was built of, as the binary itself says, in CycloneDX's JSON
// (https://cyclonedx.org/docs/1.6/json/): the service, Go's standard library, and every
// module with the checksum that go.sum has. The same binary gives the same text.
//
//	go run ./internal/sbom BINARY
package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom BINARY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Getenv("VERSION"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// run writes the bill of materials of a binary, which is of the given version; "": of the
// one that the build noted.
func run(binary, version string, to io.Writer) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	bill, err := billOf(info, version)
	if err != nil {
		return fmt.Errorf("%s: %w", binary, err)
	}
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(bill)
}

// A bill is a bill of materials.
type bill struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
	DependsOn   []relation  `json:"dependencies"`
}

type metadata struct {
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type component struct {
	Ref     string `json:"bom-ref"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type relation struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func billOf(info *debug.BuildInfo, version string) (bill, error) {
	version = cmp.Or(version, info.Main.Version, "dev")
	b := bill{Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	b.Metadata.Component = component{Ref: purl(info.Main.Path, version), Type: "application", Name: info.Main.Path, Version: version, PURL: purl(info.Main.Path, version)}
	for _, s := range info.Settings { // how it was built: the system, the processor, no cgo
		b.Metadata.Properties = append(b.Metadata.Properties, property{"build:" + s.Key, s.Value})
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = []component{{Ref: purl("std", goVersion), Type: "library", Name: "std", Version: goVersion, PURL: purl("std", goVersion)}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		c := component{Ref: purl(module.Path, module.Version), Type: "library", Name: module.Path, Version: module.Version, PURL: purl(module.Path, module.Version)}
		if module.Sum != "" {
			sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:"))
			if err != nil {
				return bill{}, fmt.Errorf("checksum of %s: %w", module.Path, err)
			}
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
		}
		b.Components = append(b.Components, c)
	}
	all := relation{Ref: b.Metadata.Component.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.DependsOn = []relation{all}
	return b, nil
}

// purl is the package URL of a module (https://github.com/package-url/purl-spec).
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}
