// Says what the suite makes of results: node judge.mjs FOLDER_OF_THE_SUITE RESULTS...
//
// Prints a list of { id: [kind, verdict, detail] }, one for each file of results. A kind is `required` (a requirement of
// HTTP), `optimal` (allowed, and worth having) or `check` (neither is better); a verdict is `passed`, `failed`, `unsettled`
// (the test could not be set up) or `depends` (on one that has not passed).
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, ...files] = process.argv.slice(2)
const suite = async file => (await import(pathToFileURL(`${folder}/tests/${file}.mjs`))).default
const groups = [...await suite('index'), await suite('surrogate-control')]
const tests = new Map(groups.flatMap(group => group.tests).filter(test => !test.browser_only).map(test => [test.id, test]))

function judge (id, results) {
  const result = results[id]
  if (result === undefined) return 'unsettled'
  const depends = tests.get(id).depends_on ?? []
  if (!depends.every(other => judge(other, results) === 'passed')) return 'depends'
  if (result === true) return 'passed'
  return result[0] === 'Setup' ? 'unsettled' : 'failed'
}

function verdicts (file) {
  const results = JSON.parse(readFileSync(file))
  const judged = [...tests].map(([id, test]) => [
    id, [test.kind ?? 'required', judge(id, results), String(results[id]?.[1] ?? '')]
  ])
  return Object.fromEntries(judged)
}

console.log(JSON.stringify(files.map(verdicts)))
