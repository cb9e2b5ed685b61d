/** The steps that pipelines here use, as Jenkins has them. */
class Steps {

    Build build

    Steps(Build build) {
        this.build = build
    }

    void register() {
        build.binding.setVariable('env', new Environment(build: build))
        build.binding.setVariable('currentBuild', new Expando(previousBuild: [description: build.asked.previous]))
        registerShell()
        registerFiles()
        registerResults()
    }

    private void registerShell() {
        step('sh', [String]) { String script -> build.shell.run([script: script], build.environment) }
        step('sh', [Map]) { Map asked -> build.shell.run(asked, build.environment) }
        step('echo', [String]) { String line -> build.log.append("${line}\n") }
        step('sleep', [Map]) { Map asked -> build.kept.slept = (build.kept.slept ?: 0) + asked.time }
        step('withEnv', [List, Closure]) { List pairs, Closure body -> build.with(pairsOf(pairs), body) }
        step('timeout', [Map, Closure]) { Map limit, Closure body -> build.inBody(body) }
        step('container', [String, Closure]) { String name, Closure body -> build.inBody(body) }
        step('withCredentials', [Object, Closure]) { Object list, Closure body -> build.inBody(body) }
        step('string', [Map]) { Map one -> one }
    }

    private void registerFiles() {
        step('checkout', [Object]) { Object scm -> null }
        step('fileExists', [String]) { String path -> new File(build.files.workspace, path).exists() }
        step('readFile', [String]) { String path -> new File(build.files.workspace, path).text }
        step('writeFile', [Map]) { Map asked -> new File(build.files.workspace, asked.file).text = asked.text }
        step('stash', [Map]) { Map asked -> keep('stashes', asked.name, asked, asked.includes, asked.allowEmpty) }
        step('archiveArtifacts', [Map]) { Map asked ->
            keep('archived', '', asked, asked.artifacts, asked.allowEmptyArchive)
        }
    }

    private void registerResults() {
        step('junit', [Map]) { Map asked -> junit(asked) }
        step('error', [String]) { String why -> throw new Failed(why) }
        step('build', [Map]) { Map asked -> null }
        step('unstable', [String]) { String why -> build.worsen('UNSTABLE', why) }
    }

    private void keep(String kind, String name, Map asked, String includes, Object mayBeEmpty) {
        Map<String, Long> found = build.files.find(includes, asked.excludes)
        if (!found && !mayBeEmpty) {
            throw new Failed("no files match ${includes}")
        }
        if (kind == 'archived') {
            build.kept.archived += found
        } else {
            build.kept[kind][name] = found
        }
    }

    private void junit(Map asked) {
        List<Map> cases = build.files.cases(asked.testResults)
        if (!cases && !asked.allowEmptyResults) {
            throw new Failed('No test report files were found. Configuration error?')
        }
        build.kept.cases += cases
        if (!asked.skipMarkingBuildUnstable && cases.any { one -> one.verdict == 'failure' }) {
            build.worsen('UNSTABLE', 'tests failed')
        }
    }

    private static Map pairsOf(List pairs) {
        return pairs.collectEntries { pair ->
            String text = pair as String
            int at = text.indexOf('=')
            [(text.substring(0, at)): text.substring(at + 1)]
        }
    }

    private void step(String name, List<Class> types, Closure body) {
        build.helper.registerAllowedMethod(name, types, body)
    }

}

/** `env` of a pipeline: what is not set is null. */
class Environment {

    Build build

    Object getProperty(String name) {
        Object value = this.@build.environment[name]
        return value == null ? null : value as String
    }

    void setProperty(String name, Object value) {
        if (name == 'build') {
            this.@build = value as Build
        } else {
            this.@build.environment[name] = value
        }
    }

}
