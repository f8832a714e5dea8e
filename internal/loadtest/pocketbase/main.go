// Pocketbase is PocketBase with one collection, as the load command compares with. It
// is a module of its own, so that the product does not depend on it.
//
//	pocketbase serve --http=127.0.0.1:8090 --dir=/tmp/data
package main

import (
	"fmt"
	"os"

	pb "github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pocketbase:", err)
		os.Exit(1)
	}
}

func run() error {
	app := pb.NewWithConfig(pb.Config{HideStartBanner: true})
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		e.InstallerFunc = nil // it would add an account and open a browser
		if err := quiet(e.App); err != nil {
			return err
		}
		if err := addPeople(e.App); err != nil {
			return err
		}
		return e.Next()
	})
	return app.Start()
}

// quiet turns off what would make PocketBase slower than it has to be: its log of
// requests, which is on by default and is written to a database of its own. The rate
// limiter is off by default; that it stays so is checked.
func quiet(app core.App) error {
	settings := app.Settings()
	if settings.RateLimits.Enabled {
		return fmt.Errorf("the rate limiter is on")
	}
	if settings.Logs.MaxDays == 0 {
		return nil
	}
	settings.Logs.MaxDays = 0
	return app.Save(settings)
}

// addPeople adds the collection, unless it is there.
func addPeople(app core.App) error {
	if _, err := app.FindCollectionByNameOrId("people"); err == nil {
		return nil
	}
	people := core.NewBaseCollection("people")
	people.Fields.Add(
		&core.TextField{Name: "userGroup", Required: true},
		&core.TextField{Name: "username"},
		&core.TextField{Name: "email"},
		&core.TextField{Name: "name"},
		&core.TextField{Name: "company"},
		&core.AutodateField{Name: "created", OnCreate: true},
		&core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true},
	)
	people.AddIndex("people_username", true, "username", "")
	people.AddIndex("people_email", true, "email", "")
	open := "" // everybody
	people.ListRule, people.ViewRule = &open, &open
	people.CreateRule, people.UpdateRule, people.DeleteRule = &open, &open, &open
	return app.Save(people)
}
