# frozen_string_literal: true

require "set"

module Billing
  # Money that a customer owes.
  class Invoice < Record
    include Comparable

    attr_reader :lines

    # Starts without lines.
    def initialize(customer)
      @customer = customer
      @lines = []
    end

    # Sum of all lines, taxes included.
    def total
      lines.sum(&:amount)
    end

    def self.find(id)
      record = store.fetch(id)
      new(record)
    end

    class << self
      def store
        @store ||= {}
        @store
      end
    end

    def paid? = @paid

    private

    def <=>(other)
      total <=> other.total
    end

    private def reset
      @lines.clear
      @paid = false
    end
  end

  Line = Struct.new(:name, :amount) do
    def free?
      amount.zero?
    end
  end
end

def helper(value)
  value.to_s
end

test "adds lines" do
  invoice = Billing::Invoice.new(nil)
  assert_equal 0, invoice.total
end

task :bill do
  puts "billing"
end
