import com.lesfurets.jenkins.unit.BasePipelineTest
import com.lesfurets.jenkins.unit.global.lib.LibraryConfiguration
import com.lesfurets.jenkins.unit.global.lib.SourceRetriever

/**
 * One build of a pipeline: JenkinsPipelineUnit calls, steps are ours.
 *
 * JenkinsPipelineUnit 1.1 knows nothing of declarative pipelines. What `when` and `post` mean here
 * was written after Jenkins' handbook, and is not Jenkins' own.
 */
class Build extends BasePipelineTest {

    Map asked
    Files files
    Shell shell
    StringBuilder log = new StringBuilder()
    Map<String, Object> environment
    Map<String, Object> kept = [stashes: [:], archived: [:], cases: [], stages: [], told: [:]]
    String result = 'SUCCESS'
    String message = ''
    List<Boolean> skips = []

    Build(Map asked) {
        this.asked = asked
        File workspace = new File(asked.workspace as String)
        environment = ([WORKSPACE: workspace.path, BUILD_TAG: 'jenkins-test-1'] + (asked.build ?: [:]))
        files = new Files(workspace: workspace)
        shell = new Shell(workspace: workspace, agent: asked.agent, log: log, abortAt: asked.abortAt,
            abortTurn: asked.abortTurn ?: 1)
    }

    /** Runs it to its end and says what came of it. */
    Map run() {
        scriptRoots = [asked.root]
        scriptExtension = 'groovy'
        baseScriptRoot = asked.root
        setUp()
        new Steps(this).register()
        new Declarative(this).register()
        Object returned = null
        try {
            returned = body()
        } catch (InterruptedException aborted) {
            worsen('ABORTED', aborted.message)
        } catch (Exception problem) {
            worsen('FAILURE', problem.message ?: problem.class.name)
        }
        String description = binding.getVariable('currentBuild').description
        return kept + [result: result, message: message, description: description, log: log as String,
            returned: returned, calls: calls()]
    }

    void worsen(String now, String why) {
        List<String> order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']
        if (order.indexOf(now) > order.indexOf(result)) {
            result = now
            message = why
        }
    }

    Object with(Map<String, Object> more, Closure body) {
        Map<String, Object> before = environment
        environment = before + more
        try {
            return inBody(body)
        } finally {
            environment = before
        }
    }

    Object inBody(Closure body) {
        return helper.callClosure(body)
    }

    private Object body() {
        if (asked.step != null) {
            return loadScript('vars/profilingJob.groovy').call(asked.step as Map)
        }
        helper.registerSharedLibrary(LibraryConfiguration.library().name('profiling').defaultVersion('main')
            .allowOverride(true).implicit(false).targetPath(asked.root)
            .retriever(new Checkout(root: new File(asked.root as String))).build())
        return runScript(asked.script as String)
    }

    private List<Map> calls() {
        return helper.callStack.collect { one ->
            [name: one.methodName, depth: one.stackDepth, args: one.args.collect { each -> shown(each) }]
        }
    }

    private Object shown(Object value) {
        if (value instanceof Closure) {
            return '{}'
        }
        if (value instanceof Map) {
            return value.collectEntries { key, one -> [(key as String): shown(one)] }
        }
        return value instanceof Collection ? value.collect { one -> shown(one) } : "${value}" as String
    }

}

/** The shared library, as it lies here. */
class Checkout implements SourceRetriever {

    File root

    @Override
    List<URL> retrieve(String repository, String branch, String targetPath) {
        return [root.toURI().toURL()]
    }

}
