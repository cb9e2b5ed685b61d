/** Declarative pipelines: directives in the order in which they stand; ours, not Jenkins'. */
class Declarative {

    Build build
    boolean skipped = false

    Declarative(Build build) {
        this.build = build
    }

    void register() {
        ['any', 'none', 'scm'].each { name -> build.binding.setVariable(name, name) }
        build.binding.setVariable('params', [:])
        registerSections()
        registerConditions()
        registerTold()
    }

    private void registerSections() {
        directive('pipeline') { Closure body -> throwLater { build.inBody(body) } }
        ['stages', 'steps', 'script'].each { name ->
            directive(name) { Closure body -> skipped ? null : throwLater { build.inBody(body) } }
        }
        build.helper.registerAllowedMethod('stage', [String, Closure]) { String name, Closure body -> stage(name, body) }
        directive('environment') { Closure body -> assign(body) }
        directive('post') { Closure body -> skipped ? null : build.inBody(body) }
        directive('always') { Closure body -> build.inBody(body) }
        directive('cleanup') { Closure body -> build.inBody(body) }
        ['success', 'unstable', 'failure', 'aborted'].each { name ->
            directive(name) { Closure body -> build.result == name.toUpperCase() ? build.inBody(body) : null }
        }
    }

    private void registerConditions() {
        directive('when') { Closure body -> build.inBody(body) }
        directive('expression') { Closure body -> skipped = !build.inBody(body) }
        build.helper.registerAllowedMethod('branch', [String]) { String name ->
            skipped = build.environment.BRANCH_NAME != name
        }
    }

    /** What only Jenkins itself acts upon is noted. */
    private void registerTold() {
        ['agent', 'options', 'triggers', 'kubernetes', 'docker', 'dockerfile', 'parameters', 'tools'].each { name ->
            directive(name) { Closure body -> build.inBody(body) }
            build.helper.registerAllowedMethod(name, [String]) { String word -> build.kept.told[name] = word }
        }
        ['yaml', 'yamlFile', 'defaultContainer', 'agentContainer', 'serviceAccount', 'namespace', 'image', 'args', 'label',
         'agentInjection', 'cron', 'pollSCM', 'filename', 'disableConcurrentBuilds', 'timestamps', 'buildDiscarder',
         'logRotator', 'timeout', 'retries', 'inheritFrom', 'reuseNode', 'library', 'GenericTrigger'].each { name ->
            [[String], [Boolean], [Map], []].each { types ->
                build.helper.registerAllowedMethod(name, types) { Object... given -> note(name, given) }
            }
        }
        ['string', 'text', 'choice', 'booleanParam'].each { name ->
            build.helper.registerAllowedMethod(name, [Map]) { Map one -> parameter(one) }
        }
    }

    private Object note(String name, Object[] given) {
        build.kept.told[name] = given ? given[0] : true
        return name
    }

    private Object parameter(Map one) {
        Map params = build.binding.getVariable('params')
        Object value = one.containsKey('defaultValue') ? one.defaultValue : one.choices ? one.choices[0] : one
        params[one.name] = (build.asked.params ?: [:]).containsKey(one.name) ? build.asked.params[one.name] : value
        return one
    }

    private void stage(String name, Closure body) {
        skipped = build.result in ['FAILURE', 'ABORTED']
        boolean before = skipped
        if (!before) {
            build.inBody(body)
        }
        build.kept.stages << [name: name, skipped: skipped]
        skipped = false
    }

    /** A failure ends the section; what stands in `post` still runs. */
    private void throwLater(Closure body) {
        try {
            body()
        } catch (InterruptedException aborted) {
            build.worsen('ABORTED', aborted.message)
        } catch (Exception problem) {
            build.worsen('FAILURE', problem.message ?: problem.class.name)
        }
    }

    /** `environment { NAME = 'value' }`. */
    private void assign(Closure body) {
        body.delegate = new Environment(build: build)
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.call()
    }

    private void directive(String name, Closure body) {
        build.helper.registerAllowedMethod(name, [Closure], body)
    }

}
