import com.cloudbees.groovy.cps.CpsTransformer
import com.cloudbees.groovy.cps.NonCPS
import com.lesfurets.jenkins.unit.global.lib.Library
import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

/** Compiles a script as Jenkins does: into steps that can be interrupted and stored. */
String compiled(File script) {
    ImportCustomizer imports = new ImportCustomizer().addImports(NonCPS.name, Library.name)
    CompilerConfiguration configuration = new CompilerConfiguration()
    configuration.addCompilationCustomizers(imports, new CpsTransformer())
    return new GroovyShell(configuration).parse(script).class.name
}

/** Runs builds: each line of input asks for one, each line of output tells what came of it. */
PrintStream out = System.out
System.out = System.err // steps that print must not get between
System.in.eachLine('UTF-8') { line ->
    Map asked = new JsonSlurperClassic().parseText(line)
    Map told
    try {
        told = asked.compile ? [compiled: compiled(new File(asked.compile))] : new Build(asked).run()
    } catch (Throwable problem) {
        told = [broken: problem as String, trace: problem.stackTrace.take(30)*.toString()]
    }
    out.println(JsonOutput.toJson(told + [number: asked.number]))
    out.flush()
}
