<!DOCTYPE html>
<html>
<body>
<?php

declare(strict_types=1);

namespace Shop\Orders;

use DateTime;

const LIMIT = 100;

/** State of an order. */
enum State: string
{
    case Open = 'open';
    case Shipped = 'shipped';

    /** Whether nothing follows. */
    public function isLast(): bool
    {
        return $this === self::Shipped;
    }
}

/**
 * Stores orders.
 */
interface Store extends \Countable
{
    /** Finds an order by its number. */
    public function find(int $number): ?Order;
}

// Adds timestamps.
trait Timestamps
{
    protected ?DateTime $created = null;

    public function touch(): void
    {
        $this->created = new DateTime();
    }
}

/**
 * An order of one customer.
 *
 * @template T
 */
#[Entity]
final class Order implements \JsonSerializable
{
    use Timestamps;

    private array $lines = [];

    /** Creates an empty order. */
    public function __construct(private int $number, public readonly string $name = '')
    {
    }

    /**
     * Adds a line.
     *
     * @return int number of lines
     */
    #[Pure]
    public function add(string $line): int
    {
        $check = function (string $text): bool {
            return $text !== '';
        };
        $this->lines[] = $line;
        return count($this->lines);
    }

    # The shared one.
    public static function &shared(): self
    {
        return self::$instance;
    }

    abstract protected function price(): int;

    public function jsonSerialize(): mixed { return $this->lines; }
}

/**
 * Formats an amount.
 */
function format_amount(int $cents, string $currency = 'EUR'): string
{
    return sprintf('%.2f %s', $cents / 100, $currency);
}

if (!function_exists('old')) {
    /** Kept for old callers. */
    function old(): void
    {
        echo 'old';
    }
}

$handler = fn (Order $order) => $order->add('x');

$anonymous = new class extends Order {
    public function price(): int { return 0; }
};
?>
<ul>
<?php foreach ($orders as $order): ?>
  <li><?= $order->name ?></li>
<?php endforeach; ?>
</ul>
<?php
/** Printed at the end of the page. */
function footer(): void { echo 'end'; }
?>
</body>
</html>
