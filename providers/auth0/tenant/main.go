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

// parse reads the command line. It writes help and mistakes to stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("tenant", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.addr, "addr", "127.0.0.1:4000", "where to listen")
	set.BoolVar(&o.anywhere, "anywhere", false, "listen on other interfaces than loopback too: everybody who gets there is let in")
	set.StringVar(&o.limits, "limits", "free", `"free": the limits of the free plan; "none"`)
	set.Float64Var(&o.tenant.ImportRate, "import-rate", 100, "rows a second that an import job does; 0: it is done at once")
	set.DurationVar(&o.tenant.IndexLag, "index-lag", time.Second, "how late searches see a change")
	set.StringVar(&o.seed, "seed", "", "a JSON file with an array of users to begin with, each as for POST /api/v2/users")
	set.BoolVar(&o.tenant.OneClient, "one-client", false, "the application may use the Management API too")
	set.Usage = func() {
		fmt.Fprint(stderr, usage)
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	switch {
	case set.NArg() > 0:
		return options{}, fmt.Errorf("unknown argument %q", set.Arg(0))
	case o.limits == "free":
		o.tenant.Limits = auth0test.Free()
	case o.limits != "none":
		return options{}, errors.New(`-limits: must be "free" or "none"`)
	}
	return o, nil
}

const usage = `A stand-in of an Auth0 tenant, with its state in memory.

Beside the APIs of a tenant:
  GET    /_mails           the mails it would have sent, with their links, which work
  GET    /_seen            requests by route, 429s by limit, import jobs
  GET    /_faults          the calls so far, by name
  POST   /_faults          lets a call fail: {"fault": "status 429", "call": 2}
                           "fault": status 500, status 503, status 429, unreachable, timeout,
                           answer dropped, work done late; "call" is counted from now and 1
                           when left out; "always": true goes on until DELETE;
                           {"delay": "3s"} instead of a fault holds an answer back
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
	if at := ln.Addr().(*net.TCPAddr); !o.anywhere && !at.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("-addr: %s is no loopback address; -anywhere allows it", o.addr), ln.Close())
	}
	base := "http://" + ln.Addr().String()
	o.tenant.Domain, o.tenant.Faults = base, faults.NewPlan()
	tenant := auth0test.New(o.tenant)
	if err := sow(tenant, o.seed); err != nil {
		return errors.Join(err, ln.Close())
	}
	printSettings(stdout, base, o.tenant.OneClient)
	return serve(ctx, ln, routes(tenant, o.tenant.Faults), stderr)
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

// grace is how long requests under way may take when the command is to end.
const grace = 5 * time.Second

// serve answers until ctx is done, and then waits for the requests under way.
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
		over <- server.Shutdown(deadline)
	})
	err := server.Serve(ln)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-over
}
