using System;
using System.Collections.Generic;

[assembly: CLSCompliant(true)]

namespace Shop.Orders
{
    /// <summary>State of an order.</summary>
    public enum OrderState { Open, Paid, Shipped }

    /// <summary>
    /// Stores orders.
    /// </summary>
    public interface IOrderStore : IDisposable
    {
        /// <summary>Finds an order by its number.</summary>
        Order Find(int number);

        int Count { get; }
    }

    // An amount with its currency.
    public readonly struct Money
    {
        public readonly decimal Amount;

        public Money(decimal amount) { Amount = amount; }

        /// <summary>Adds two amounts.</summary>
        public static Money operator +(Money left, Money right) => new Money(left.Amount + right.Amount);

        public static implicit operator decimal(Money money) => money.Amount;
    }

    public record Customer(string Name, string Email);

    public record struct Position(int Line, int Column)
    {
        public override string ToString() => $"{Line}:{Column}";
    }

    /// <summary>An order of one customer.</summary>
    /// <remarks>Not thread safe.</remarks>
    [Serializable]
    public sealed class Order : IComparable<Order>
    {
        private readonly List<string> lines = new List<string>();
        private const int Limit = 100;

        public event EventHandler Changed;

        public int Number { get; set; }

        /// <summary>
        /// Total of the order, computed once.
        /// </summary>
        public decimal Total
        {
            get
            {
                if (total == null) total = Sum();
                return total.Value;
            }
        }

        public bool IsEmpty => lines.Count == 0;

        public string this[int index]
        {
            get { return lines[index]; }
            set { lines[index] = value; }
        }

        static Order() { Register(); }

        /// <summary>Creates an empty order.</summary>
        public Order(int number) : base()
        {
            Number = number;
        }

        ~Order() { Release(); }

        /// <summary>Adds a line.</summary>
        /// <exception cref="InvalidOperationException">When the order is full.</exception>
        public async Task<int> AddAsync<T>(T line, CancellationToken token = default) where T : class
        {
            bool IsFull() => lines.Count >= Limit;
            if (IsFull()) throw new InvalidOperationException();
            await Task.Yield();
            lines.Add(line.ToString());
            return lines.Count;
        }

        /// <summary>Frees what <see cref="AddAsync"/> took.</summary>
#pragma warning disable CA1063
        public void Dispose()
        {
            Release();
        }

        int IComparable<Order>.CompareTo(Order other) => Number.CompareTo(other.Number);

        private class Line
        {
            public string Text;
            internal int Length() { return Text.Length; }
        }

        public delegate void Handler(Order order);
    }

    public static class OrderExtensions
    {
        /// <summary>Whether an order was sent.</summary>
        public static bool IsShipped(this Order order) => order.State == OrderState.Shipped;
    }
}
