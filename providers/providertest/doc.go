// Package providertest is what tests need of providers: [Run], the suite that every
// driver passes, and [Faulty], which lets any provider fail on purpose.
package providertest
