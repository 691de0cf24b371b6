package example

import dev.causal4j.austen.AustenModel
import dev.causal4j.generation.{GenerationOptions, Generator}
import dev.causal4j.scoring.Scorer
import scala.util.Using

/** Prints a text as it is written, and the perplexity of another. */
object Novel {
  def main(arguments: Array[String]): Unit =
    Using.resource(AustenModel.load()) { model =>
      val options = GenerationOptions.DEFAULT.withMaxNewTokens(40).withTemperature(0.8).withTopP(0.9).withSeed(1)
      Using.resource(new Generator(model).stream("It is a truth universally acknowledged, that a", options)) { tokens =>
        tokens.forEach(token => print(token.text))
      }
      println()
      println(new Scorer(model).score("Emma was very kind.").perplexity)
    }
}
