// Prints a text as it is written, and the perplexity of another.
import dev.causal4j.austen.AustenModel
import dev.causal4j.generation.GenerationOptions
import dev.causal4j.generation.Generator
import dev.causal4j.scoring.Scorer

var model = AustenModel.load()
var options = GenerationOptions.DEFAULT.withMaxNewTokens(40).withTemperature(0.8).withTopP(0.9).withSeed(1)
try (var tokens = new Generator(model).stream("It is a truth universally acknowledged, that a", options)) {
    tokens.forEach(token -> System.out.print(token.text()));
}
System.out.println()
System.out.println(new Scorer(model).score("Emma was very kind.").perplexity())
model.close()
/exit
