// Prints a text as it is written, and the perplexity of another.
import dev.causal4j.austen.AustenModel
import dev.causal4j.generation.GenerationOptions
import dev.causal4j.generation.Generator
import dev.causal4j.scoring.Scorer

var model = AustenModel.load()
var options = GenerationOptions.builder().maxNewTokens(40).temperature(0.8).topP(0.9).seed(1).build()
try (var tokens = new Generator(model).stream("It is a truth universally acknowledged, that a", options)) {
    tokens.forEach(token -> System.out.print(token.text()));
}
System.out.println()
System.out.println(new Scorer(model).score("Emma was very kind.").perplexity())
model.close()
/exit
