package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"unicode/utf8"
)

// asked is what the arguments ask for; nothing: to serve.
type asked struct {
	help, version, check bool
	probe                string // name of a status route
}

// A usageError is a mistake in the arguments.
type usageError struct{ problem string }

func (e *usageError) Error() string { return e.problem + "; see user-manager -help" }

// exitStatus is that of a process which ends with err: 2 for wrong arguments, else 1.
func exitStatus(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return 2
	}
	return 1
}

// probes are the status routes that -probe may ask.
var probes = []string{"healthz", "ready", "check-up"}

// options are the flags: all there is to a command line.
func options(a *asked) *flag.FlagSet {
	flags := flag.NewFlagSet("user-manager", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&a.version, "version", false, "say which version this is")
	flags.BoolVar(&a.check, "check", false, "look whether the configuration is right and everything that it names can be reached, and change nothing")
	flags.Func("probe", "ask the service that runs with this configuration on this machine how it is: `healthz, ready or check-up`", func(route string) error {
		if !slices.Contains(probes, route) { // "" too, which would be no probe
			return fmt.Errorf("it asks %s", strings.Join(probes, ", "))
		}
		a.probe = route
		return nil
	})
	return flags
}

// readArgs reads the arguments. Its errors are [usageError].
func readArgs(args []string) (asked, error) {
	var a asked
	flags := options(&a)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return asked{help: true}, nil
	case err != nil:
		return a, &usageError{err.Error()}
	case flags.NArg() > 0:
		return a, &usageError{fmt.Sprintf("there are no arguments, and %q is one", flags.Arg(0))}
	}
	return a, nil
}

// helpWidth is how many columns the help has.
const helpWidth = 100

// printHelp writes the flags and every setting with its default and meaning.
func printHelp(to io.Writer) error {
	var text strings.Builder
	text.WriteString("User-manager manages the users of an application: their data in a store and their accounts at an\nauthentication provider, always both.\n\n")
	text.WriteString("Usage: user-manager [flag]\n\nWithout a flag it serves. Flags:\n\n")
	var none asked
	options(&none).VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if value != "" {
			usage = strings.Replace(f.Usage, "`"+value+"`", value, 1)
			value = " ROUTE"
		}
		entry(&text, "-"+f.Name+value, usage)
	})
	entry(&text, "-help", "print this")
	text.WriteString("\nIt is configured by environment variables, here with their defaults:\n")
	for _, group := range settings {
		text.WriteString("\n" + group.heading + "\n\n")
		for _, s := range group.settings {
			name := s.name
			if s.standard != "" {
				name += "=" + s.standard
			}
			entry(&text, name, unmarked(s.meaning))
		}
	}
	text.WriteString("\nOf Go and the system\n\n")
	entry(&text, "GOMEMLIMIT", "memory beyond which more is done to free some; 90 % of the limit that there is, such as 57MiB of 64 MiB")
	entry(&text, "TMPDIR=/tmp", "folder in which a CSV file waits whose options come after it")
	_, err := io.WriteString(to, text.String())
	return err
}

// entry writes a term and, below it, what it means.
func entry(to *strings.Builder, term, meaning string) {
	const indent = "      "
	to.WriteString("  " + term + "\n")
	width := 0
	for word := range strings.FieldsSeq(meaning) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
			to.WriteString(indent)
			width = len(indent)
		case width+1+n > helpWidth:
			to.WriteString("\n" + indent)
			width = len(indent)
		default:
			to.WriteByte(' ')
			width++
		}
		to.WriteString(word)
		width += n
	}
	to.WriteByte('\n')
}

var markdownLink = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)

// unmarked is a text of Markdown without its marks.
func unmarked(text string) string {
	return strings.ReplaceAll(markdownLink.ReplaceAllString(text, "$1 ($2)"), "`", "")
}

// version and revision are those of a release: the build sets them by -ldflags -X.
var version, revision string

// printVersion says what was built from what.
func printVersion(to io.Writer) error {
	_, err := fmt.Fprintf(to, "%s %s, %s, %s/%s, revision %s\n",
		serviceName, buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, buildRevision())
	return err
}

// buildVersion is the version of the release or of the module that was built, or "dev".
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return cmp.Or(version, "dev")
	}
	return cmp.Or(version, info.Main.Version, "dev")
}

// buildRevision is the commit that was built, or "unknown".
func buildRevision() string {
	if info, ok := debug.ReadBuildInfo(); ok && revision == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return cmp.Or(revision, "unknown")
}
