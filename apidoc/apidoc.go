// Package apidoc describes the service's HTTP API: openapi.yaml is the description, written by hand, and [Handler]
// serves it, as JSON, as YAML and as a page for people that needs nothing from outside.
//
// Package conform, below it, holds the service's answers against the description in tests.
package apidoc

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var source []byte

// Source returns the description as it is written: YAML, its paths without the service's prefix.
func Source() []byte {
	return slices.Clone(source)
}
