// Command tenant serves a stand-in of an Auth0 tenant, so that one can develop against
// AUTH_MODULE=auth0 without an account:
//
//	go run ./providers/auth0/tenant -addr 127.0.0.1:4000
//
// It prints the variables that lead the user manager there. Its state is in memory and gone
// when it ends. What it does is told by package auth0test; beside a tenant's APIs it has
//
//	GET    /_mails           the mails it would have sent, with their links, which work
//	GET    /_seen            requests by route, 429s by limit, import jobs
//	GET    /_faults          the calls so far, by name
//	POST   /_faults          lets a call fail: {"fault": "status 429"}
//	DELETE /_faults          nothing goes wrong any more
//	POST   /_faults/deliver  does the work of calls with the fault "work done late"
//
// The fault is one of "status 500", "status 503", "status 429", "unreachable", "timeout",
// "answer dropped" and "work done late". "call" says which call, counted from now, and is 1
// when it is left out; with "always": true every call from that one on fails until DELETE.
// {"delay": "3s"} instead of a fault holds an answer back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream/faults"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	addr     string
	anywhere bool
	limits   string
	seed     string
	tenant   auth0test.Config
}

// parse reads the command line. It writes help to stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("tenant", flag.ContinueOnError)
	set.SetOutput(io.Discard) // mistakes are told by the error
	set.Usage = func() {}
	set.StringVar(&o.addr, "addr", "127.0.0.1:4000", "where to listen")
	set.BoolVar(&o.anywhere, "anywhere", false, "listen on other interfaces than loopback too: everybody who gets there is let in")
	set.StringVar(&o.tenant.Domain, "domain", "", "base `URL` by which others get here, such as http://localhost:4000; unset: http:// and the address.\n"+
		"It is in tokens and links, and AUTH0_DOMAIN must be exactly this, which a user manager takes with http\nonly of a loopback host")
	set.StringVar(&o.limits, "limits", "free", `"free": the limits of the free plan; "none"`)
	set.Float64Var(&o.tenant.ImportRate, "import-rate", 100, "rows a second that an import job does; 0: it is done at once")
	set.DurationVar(&o.tenant.IndexLag, "index-lag", time.Second, "how late searches see a change")
	set.StringVar(&o.seed, "seed", "", "a JSON file with an array of users to begin with, each as for POST /api/v2/users")
	set.BoolVar(&o.tenant.OneClient, "one-client", false, "the application may use the Management API too")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		set.SetOutput(stderr)
		set.PrintDefaults()
		return options{}, err
	case err != nil:
		return options{}, fmt.Errorf("%w; -help has all flags", err)
	case set.NArg() > 0:
		return options{}, fmt.Errorf("unknown argument %q", set.Arg(0))
	case o.limits == "free":
		o.tenant.Limits = auth0test.Free()
	case o.limits != "none":
		return options{}, errors.New(`-limits: must be "free" or "none"`)
	}
	return o, o.check()
}

// check returns the first value that no tenant can have.
func (o *options) check() error {
	switch {
	case !isBase(o.tenant.Domain):
		return errors.New("-domain: must be a URL such as http://localhost:4000, without a path")
	case !(o.tenant.ImportRate >= 0): // NaN neither
		return errors.New("-import-rate: must not be below 0")
	case o.tenant.IndexLag < 0:
		return errors.New("-index-lag: must not be below 0")
	}
	return nil
}

// isBase reports whether a base URL is one that a user manager can be given, or none.
func isBase(domain string) bool {
	u, err := url.Parse(domain)
	return domain == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && domain == u.Scheme+"://"+u.Host
}

const usage = `A stand-in of an Auth0 tenant, with its state in memory. It prints the settings of a user
manager that uses it, and ends by Ctrl-C.

Beside the APIs of a tenant:
  GET    /_mails           the mails it would have sent, with their links, which work
  GET    /_seen            requests by route, 429s by limit, import jobs
  GET    /_faults          the calls so far, by name
  POST   /_faults          lets the next call fail, whichever it is:
                             curl 127.0.0.1:4000/_faults -d '{"fault": "status 429"}'
                             "fault":  "status 500", "status 503", "status 429": refused;
                                       "unreachable": no answer, at once;
                                       "timeout": no answer, until the client gives up;
                                       "answer dropped": done, but no answer;
                                       "work done late": no answer, and done at /_faults/deliver
                             "call":   2 for the second call from now, and so on
                             "always": true for all calls from that one on
                             "delay":  "3s" instead of "fault": done, and answered that late
  DELETE /_faults          nothing goes wrong any more
  POST   /_faults/deliver  does the work of calls with "work done late"

Flags:
`

// run serves until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	if err := o.settle(ln.Addr().(*net.TCPAddr)); err != nil {
		return errors.Join(err, ln.Close())
	}
	o.tenant.Faults = faults.NewPlan()
	tenant := auth0test.New(o.tenant)
	if err := sow(tenant, o.seed); err != nil {
		return errors.Join(err, ln.Close())
	}
	printSettings(stdout, o.tenant.Domain, o.tenant.OneClient)
	return serve(ctx, ln, routes(tenant, o.tenant.Faults), stderr)
}

// settle refuses an address that is not allowed, and makes it the domain if there is no other.
func (o *options) settle(at *net.TCPAddr) error {
	switch {
	case !at.IP.IsLoopback() && !o.anywhere:
		return fmt.Errorf("-addr: %s is no loopback address; -anywhere allows it", o.addr)
	case at.IP.IsUnspecified() && o.tenant.Domain == "":
		return fmt.Errorf("-domain: must be given, since %s is no address to get to", o.addr)
	case o.tenant.Domain == "":
		o.tenant.Domain = "http://" + at.String()
	}
	return nil
}

// sow makes the users of a file; "" is none.
func sow(tenant *auth0test.Tenant, path string) error {
	if path == "" {
		return nil
	}
	users, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := tenant.Sow(users); err != nil {
		return fmt.Errorf("-seed: %s: %w", path, err)
	}
	return nil
}

// printSettings writes the environment of a user manager that uses the tenant.
func printSettings(w io.Writer, base string, oneClient bool) {
	lines := [][2]string{
		{"AUTH_MODULE", "auth0"}, {"AUTH0_DOMAIN", base},
		{"AUTH0_CLIENT_ID", auth0test.ClientID}, {"AUTH0_CLIENT_SECRET", auth0test.ClientSecret},
		{"AUTH0_MANAGEMENT_CLIENT_ID", auth0test.ManagementClientID}, {"AUTH0_MANAGEMENT_CLIENT_SECRET", auth0test.ManagementClientSecret},
		{"AUTH0_AUDIENCE", auth0test.Audience}, {"AUTH_CONNECTION", auth0test.Connection},
	}
	for _, line := range lines {
		if management := line[0] == "AUTH0_MANAGEMENT_CLIENT_ID" || line[0] == "AUTH0_MANAGEMENT_CLIENT_SECRET"; !management || !oneClient {
			fmt.Fprintf(w, "%s=%s\n", line[0], line[1])
		}
	}
}

// grace is how long requests under way may take when the command is to end. None does: what
// waits by plan is let go, and all else is in memory.
const grace = time.Second

// serve answers until ctx is done, and then waits for the requests under way. Connections that
// are still there are closed, such as one that was opened ahead of need.
func serve(ctx context.Context, ln net.Listener, h http.Handler, stderr io.Writer) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // of requests
	defer end()
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(stderr, nil), slog.LevelWarn),
	}
	over := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		end() // whoever waits by plan waits no more
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(deadline)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		over <- err
	})
	err := server.Serve(ln)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-over
}
