package example

import dev.causal4j.austen.AustenModel
import dev.causal4j.generation.GenerationOptions
import dev.causal4j.generation.Generator
import dev.causal4j.scoring.Scorer

/** Prints a text as it is written, and the perplexity of another. */
fun main() {
    AustenModel.load().use { model ->
        val options = GenerationOptions.DEFAULT.withMaxNewTokens(40).withTemperature(0.8).withTopP(0.9).withSeed(1)
        Generator(model).stream("It is a truth universally acknowledged, that a", options).use { tokens ->
            tokens.forEach { print(it.text) }
        }
        println()
        println(Scorer(model).score("Emma was very kind.").perplexity())
    }
}
